//! The streams of Redis, observed atomically: everything that one proof needs is read in one `MULTI`.

use fanfare_log::{FirstEntry, Random, Tip};
use fanfare_protocol::{Epoch, LogName, Position};
use redis::{Pipeline, Value};

use super::reply::{self, RawEntry, StreamInfo};
use crate::error::Error;
use crate::keys::Keys;
use crate::pool::Pool;
use crate::status::Status;
use crate::value::{array, bytes};

/// What one transaction saw of a stream.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) tip: Tip,
    pub(super) first: Option<FirstEntry>,
    pub(super) untouched: bool,
    pub(super) entries: Vec<RawEntry>,
}

/// Where several streams end.
pub(super) struct Ends {
    pub(super) tips: Vec<Result<Tip, Error>>,
    /// Size of the newest entry of each stream, in bytes, where there is one.
    pub(super) newest_bytes: Vec<Option<usize>>,
    /// Size of the entries in the reply.
    pub(super) bytes: usize,
}

/// Which entries to read along.
#[derive(Clone, Copy)]
pub(super) enum Range<'a> {
    /// Ascending from `start`, inclusive.
    From { start: &'a str, count: usize },
    /// Descending from `end`.
    Before { end: &'a str, count: usize },
}

/// All streams of a node's channels.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) pool: Pool,
    pub(super) keys: Keys,
    /// Where it is kept whether Redis may evict.
    pub(super) status: Status,
    /// For the name of a new life of the data.
    pub(super) random: Random,
}

impl Streams {
    /// `XINFO STREAM`, a range, `TIME` and the epoch key, in one transaction. The first entry comes with `XINFO`.
    pub(super) async fn observe(&self, channel: &LogName, range: Range<'_>) -> Result<Observation, Error> {
        let key = self.keys.stream(channel);
        let mut commands = redis::pipe();
        commands.cmd("XINFO").arg("STREAM").arg(&key);
        match range {
            Range::From { start, count } => {
                commands.cmd("XRANGE").arg(&key).arg(start).arg("+").arg("COUNT").arg(count);
            }
            Range::Before { end, count } => {
                commands.cmd("XREVRANGE").arg(&key).arg(end).arg("-").arg("COUNT").arg(count);
            }
        }
        let (replies, now) = self.transaction(commands).await?;
        let [info, entries]: [Value; 2] = replies.try_into().map_err(|_| Error::Shape("EXEC"))?;
        let info = reply::stream_info(info)?;
        let entries = reply::entries(entries)?;
        Ok(Observation {
            tip: now.tip(info.as_ref()),
            first: info.as_ref().and_then(|info| info.first),
            untouched: info.as_ref().is_some_and(|info| info.untouched),
            entries,
        })
    }

    /// The ends of streams in one transaction, so that the time is exactly the one at which a stream was absent.
    pub(super) async fn ends(&self, channels: &[LogName]) -> Result<Ends, Error> {
        let mut commands = redis::pipe();
        for channel in channels {
            commands.cmd("XINFO").arg("STREAM").arg(self.keys.stream(channel));
        }
        let (replies, now) = self.transaction(commands).await?;
        if replies.len() != channels.len() {
            return Err(Error::Shape("EXEC"));
        }
        let infos: Vec<_> = replies.into_iter().map(reply::stream_info).collect();
        let newest_bytes = infos.iter().map(|info| info.as_ref().ok()?.as_ref()?.newest_bytes).collect();
        let bytes = infos.iter().filter_map(|info| info.as_ref().ok()?.as_ref()).map(|info| info.bytes).sum();
        let tips = infos.into_iter().map(|info| info.map(|info| now.tip(info.as_ref()))).collect();
        Ok(Ends { tips, newest_bytes, bytes })
    }

    /// Runs commands with `TIME` and the epoch key in one `MULTI`.
    async fn transaction(&self, mut commands: Pipeline) -> Result<(Vec<Value>, Now), Error> {
        let evicts = self.evicts().await?;
        let epoch_key = self.keys.epoch();
        commands.atomic().cmd("TIME").cmd("GET").arg(&epoch_key).ignore_errors();
        // The second attempt finds the epoch that the first one set.
        for _ in 0..2 {
            let replies = self.pool.query(&commands).await?;
            let mut replies = array(replies).ok_or(Error::Shape("EXEC"))?;
            let epoch = replies.pop().ok_or(Error::Shape("EXEC"))?;
            let time = replies.pop().ok_or(Error::Shape("EXEC"))?;
            match epoch {
                Value::Nil => self.set_epoch(&epoch_key).await?,
                Value::ServerError(error) => return Err(Error::from(&error)),
                value => {
                    let epoch = Epoch::from_key(&bytes(value).ok_or(Error::Shape("GET"))?);
                    return Ok((replies, Now { ms: reply::time_ms(time)?, epoch, evicts }));
                }
            }
        }
        Err(Error::Reply(format!("the key {epoch_key} vanishes as soon as it is set")))
    }

    /// Gives this life of the data its name, unless another node was faster.
    async fn set_epoch(&self, key: &str) -> Result<(), Error> {
        let value = format!("{:016x}{:016x}", self.random.number(), self.random.number());
        let mut command = redis::pipe();
        command.cmd("SET").arg(key).arg(value).arg("NX");
        self.pool.query(&command).await.map(|_| ())
    }

    async fn evicts(&self) -> Result<bool, Error> {
        if let Some(evicts) = self.status.evicts() {
            return Ok(evicts);
        }
        let mut command = redis::pipe();
        command.cmd("INFO").arg("memory");
        let evicts = match self.pool.query(&command).await {
            Ok(reply) => crate::eviction::evicts(reply),
            // Absence proves nothing on a Redis that may evict; one that does not tell may.
            Err(Error::Denied(_)) => true,
            Err(error) => return Err(error),
        };
        self.status.set_evicts(Some(evicts));
        Ok(evicts)
    }
}

/// What is true of the whole server at the moment of a transaction.
#[derive(Debug, Clone, Copy)]
struct Now {
    ms: u64,
    epoch: Epoch,
    evicts: bool,
}

impl Now {
    fn tip(self, info: Option<&StreamInfo>) -> Tip {
        let position = match info {
            Some(info) => Position::At(info.last_generated),
            None => Position::Absent { at_ms: self.ms, epoch: self.epoch },
        };
        Tip { position, now_ms: self.ms, epoch: self.epoch, evicts: self.evicts }
    }
}
