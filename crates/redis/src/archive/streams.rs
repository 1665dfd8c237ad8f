//! The streams of Redis, observed atomically: everything that one proof needs is read in one `MULTI`, or by one function.

use std::sync::Arc;

use fanfare_log::{FirstEntry, MinLives, Random, Tip};
use fanfare_protocol::{EntryId, LogName, Position};
use redis::{Pipeline, Value};

use super::denied_keys::DeniedKeys;
use super::epoch_key::{EpochKey, Whose};
use super::functions::Functions;
use super::lives::{Life, Lives};
use super::now::Now;
use super::reply::{self, RawEntry, StreamInfo};
use crate::error::{Error, Failure};
use crate::functions::Presence;
use crate::keys::Keys;
use crate::pool::Pool;
use crate::status::Status;
use crate::value::{array, number};

/// The attempts of a read to find the name of this life of the data: the first may set it and the second rename it.
const EPOCH_ATTEMPTS: usize = 3;

/// What one read saw of a stream.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) tip: Tip,
    pub(super) first: Option<FirstEntry>,
    pub(super) untouched: bool,
    /// Sizes of the stream's oldest and its newest entry, in bytes.
    pub(super) ends: (usize, usize),
    pub(super) entries: Vec<RawEntry>,
    /// The range reached its end.
    pub(super) complete: bool,
    /// The page ended for its size: the entry that comes next has about so many bytes at least. 0 if that is not known.
    pub(super) next_bytes: usize,
    /// Memory of the whole stream, in bytes, where Redis told it.
    pub(super) whole: Option<usize>,
}

/// What one read saw of the newest entries.
pub(super) struct Heads {
    pub(super) tip: Tip,
    /// Descending: the id of each entry, the predecessor that it names, and its size in bytes.
    pub(super) entries: Vec<(EntryId, Option<EntryId>, usize)>,
    /// The range reached the stream's beginning.
    pub(super) complete: bool,
    /// As in [`Observation`].
    pub(super) next_bytes: usize,
}

/// Where a stream ends.
pub(super) struct End {
    pub(super) tip: Tip,
    /// Its oldest entry.
    pub(super) first: Option<FirstEntry>,
    /// How many entries it holds, where that was told.
    pub(super) length: Option<usize>,
    /// Sizes of its oldest and its newest entry, in bytes.
    pub(super) sizes: (usize, usize),
}

/// All streams of a node's channels, and those of the gateway's own logs.
#[derive(Debug)]
pub(crate) struct Streams {
    pool: Pool,
    keys: Keys,
    functions: Functions,
    epoch: EpochKey,
    own_epoch: EpochKey,
    lives: Arc<Lives>,
}

impl Streams {
    pub(crate) fn new(
        pool: Pool,
        keys: Keys,
        presence: Arc<Presence>,
        status: &Status,
        random: &Random,
        min_lives: MinLives,
    ) -> Self {
        let functions = Functions::new(pool.clone(), presence);
        let lives = Arc::new(Lives::new(min_lives));
        let epoch_key = |name, whose| EpochKey::new(pool.clone(), name, (status.clone(), random.fork()), whose);
        let epoch = epoch_key(keys.epoch(), Whose::Channels(Arc::clone(&lives)));
        let own_epoch = epoch_key(keys.own_epoch(), Whose::Own);
        Self { pool, keys, functions, epoch, own_epoch, lives }
    }

    /// The key that names the life of a log's stream.
    fn epoch_of(&self, log: &LogName) -> &EpochKey {
        if is_own(log) { &self.own_epoch } else { &self.epoch }
    }

    /// The same of several, of one kind.
    fn epoch_of_all(&self, logs: &[LogName]) -> &EpochKey {
        debug_assert!(logs.iter().all(|log| is_own(log) == logs.first().is_some_and(is_own)), "{logs:?}");
        if logs.first().is_some_and(is_own) { &self.own_epoch } else { &self.epoch }
    }

    /// `XINFO STREAM`, a range of `count` entries from `start` on, inclusive, `TIME`, the epoch key, and `PTTL` where something is promised
    /// about it, in one transaction. The first entry comes with `XINFO`.
    pub(super) async fn observe(&self, channel: &LogName, start: &str, count: usize) -> Result<Observation, Error> {
        let (info, entries, now, life) = self.range(channel, "XRANGE", [start, "+"], count).await?;
        let tip = now.tip(info.as_ref(), life);
        let reached_tip = match (tip.position, entries.last()) {
            (Position::At(tip), Some(last)) => last.id >= tip,
            _ => true,
        };
        Ok(Observation {
            tip,
            first: info.as_ref().and_then(|info| info.first),
            untouched: info.as_ref().is_some_and(|info| info.untouched),
            ends: sizes(info.as_ref()),
            complete: entries.len() < count || reached_tip,
            entries,
            next_bytes: 0,
            whole: None,
        })
    }

    /// The same by `sse_read`: at most `max_entries` and `max_bytes`, but at least one entry after `start`. Of the entry at
    /// `start` it tells only the id, and of data over `event_bytes` only the size. `None`: no function can be run.
    pub(super) async fn observe_bounded(
        &self,
        channel: &LogName,
        start: &str,
        (max_entries, max_bytes): (usize, usize),
        event_bytes: usize,
    ) -> Result<Option<Observation>, Error> {
        let arguments = [start.to_owned(), max_entries.to_string(), max_bytes.to_string(), event_bytes.to_string()];
        let (epoch, key) = (self.epoch_of(channel), self.keys.stream(channel));
        let Some((mut parts, now)) = self.function("sse_read", vec![key], epoch, &arguments).await? else {
            return Ok(None);
        };
        let shape = Error::Shape("sse_read");
        let (Some(info), Some(entries), Some(more)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(shape);
        };
        let info = reply::summary(info)?;
        let entries = reply::entries(entries)?;
        let complete = number(more).ok_or(shape)? == 0;
        let new = entries.iter().filter(|entry| entry.id.to_string() != start).map(RawEntry::size);
        let pttl = self.lives_apart(&[channel]).await?.pop();
        let life = self.lives.learn(channel, info.as_ref(), now.ms, pttl.as_ref());
        Ok(Some(Observation {
            tip: now.tip(info.as_ref(), life),
            first: info.as_ref().and_then(|info| info.first),
            untouched: info.as_ref().is_some_and(|info| info.untouched),
            ends: sizes(info.as_ref()),
            next_bytes: if complete { 0 } else { next_bytes(new, (max_entries, max_bytes)) },
            entries,
            complete,
            whole: parts.next().and_then(number).and_then(|bytes| usize::try_from(bytes).ok()),
        }))
    }

    /// The newest `count` entries before `end`, in one transaction.
    pub(super) async fn heads(&self, channel: &LogName, end: &str, count: usize) -> Result<Heads, Error> {
        let (info, entries, now, life) = self.range(channel, "XREVRANGE", [end, "-"], count).await?;
        Ok(Heads {
            tip: now.tip(info.as_ref(), life),
            complete: entries.len() < count,
            next_bytes: 0,
            entries: entries.iter().map(|entry| (entry.id, entry.prev(), entry.bytes())).collect(),
        })
    }

    /// The same by `sse_newest`, without the entries themselves. `None`: no function can be run.
    pub(super) async fn heads_bounded(
        &self,
        channel: &LogName,
        end: &str,
        (max_entries, max_bytes): (usize, usize),
    ) -> Result<Option<Heads>, Error> {
        let arguments = [end.to_owned(), max_entries.to_string(), max_bytes.to_string()];
        let (epoch, key) = (self.epoch_of(channel), self.keys.stream(channel));
        let Some((mut parts, now)) = self.function("sse_newest", vec![key], epoch, &arguments).await? else {
            return Ok(None);
        };
        let shape = Error::Shape("sse_newest");
        let (Some(info), Some(entries), Some(more)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(shape);
        };
        let info = reply::summary(info)?;
        let complete = number(more).ok_or(shape)? == 0;
        let entries = reply::heads(entries)?;
        let sizes = entries.iter().map(|(_, _, bytes)| *bytes);
        let next_bytes = if complete { 0 } else { next_bytes(sizes, (max_entries, max_bytes)) };
        let pttl = self.lives_apart(&[channel]).await?.pop();
        let tip = now.tip(info.as_ref(), self.lives.learn(channel, info.as_ref(), now.ms, pttl.as_ref()));
        Ok(Some(Heads { tip, entries, complete, next_bytes }))
    }

    /// The ends of streams of one kind ([`is_own`]) in one transaction, so that the time is exactly the one at which a stream was absent. A single key that this user
    /// may not read keeps the whole transaction from being run; Redis tells which ones these are, and the others are asked for once
    /// more, without them: so many refused keys cost the others one round trip.
    pub(super) async fn ends(&self, channels: &[LogName]) -> Result<Vec<Result<End, Error>>, Error> {
        let asked: Vec<&LogName> = channels.iter().filter(|channel| self.lives.asks(channel)).collect();
        let failure = match self.ends_with_lives(channels, &asked).await {
            Ok(ends) => return Ok(ends),
            Err(failure) => failure,
        };
        let Some(denied) = DeniedKeys::of(failure.refused, channels.len(), &asked)? else { return Err(failure.error) };
        let rest = denied.rest(channels);
        let ends = self.ends_of_rest(&rest, &denied.lives).await?;
        // A key that may be read, and of which the life may not be asked.
        if denied.lives.iter().any(|log| rest.contains(log)) {
            self.lives.note_denied();
        }
        Ok(denied.merge(ends))
    }

    /// The ends of those that were not denied in a transaction which was not run. What all of them fail for they get each: nothing of it is
    /// said of those that were denied. While the memory of Redis is full a function tells them.
    async fn ends_of_rest(
        &self,
        rest: &[LogName],
        without_lives: &[&LogName],
    ) -> Result<Vec<Result<End, Error>>, Error> {
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<&LogName> =
            rest.iter().filter(|log| self.lives.asks(log) && !without_lives.contains(log)).collect();
        let error = match self.ends_with_lives(rest, &asked).await {
            Ok(ends) => return Ok(ends),
            Err(Failure { error, .. }) => error,
        };
        if error.is_full_memory()
            && let Some(ends) = self.ends_without_entries(rest).await?
        {
            return Ok(ends);
        }
        match error {
            // Rights have changed since the first transaction: whose they are is found out by the next one.
            Error::Denied(text) | Error::Reply(text) => {
                Ok(rest.iter().map(|_| Err(Error::Reply(text.clone()))).collect())
            }
            error => Err(error),
        }
    }

    /// The same with `PTTL` of those that are `asked` for it, in the same order.
    async fn ends_with_lives(
        &self,
        channels: &[LogName],
        asked: &[&LogName],
    ) -> Result<Vec<Result<End, Error>>, Failure> {
        let mut commands = redis::pipe();
        for channel in channels {
            commands.cmd("XINFO").arg("STREAM").arg(self.keys.stream(channel));
        }
        for channel in asked {
            commands.cmd("PTTL").arg(self.keys.stream(channel));
        }
        let (mut replies, now) = self.try_transaction(commands, self.epoch_of_all(channels)).await?;
        if replies.len() != channels.len() + asked.len() {
            return Err(Error::Shape("EXEC").into());
        }
        let lives = replies.split_off(channels.len());
        Ok(self.ends_of(channels, replies.into_iter().map(reply::stream_info), now, (asked, lives)))
    }

    /// What was read of streams, with the replies to `PTTL` of those that were asked for it.
    fn ends_of(
        &self,
        channels: &[LogName],
        infos: impl Iterator<Item = Result<Option<StreamInfo>, Error>>,
        now: Now,
        (asked, lives): (&[&LogName], Vec<Value>),
    ) -> Vec<Result<End, Error>> {
        let mut lives = asked.iter().zip(lives).peekable();
        let learned = |(info, channel): (Result<Option<StreamInfo>, Error>, &LogName)| {
            let pttl = lives.next_if(|(asked, _)| **asked == channel).map(|(_, pttl)| pttl);
            let info = info?;
            let life = self.lives.learn(channel, info.as_ref(), now.ms, pttl.as_ref());
            Ok(end(now, info.as_ref(), life))
        };
        infos.zip(channels).map(learned).collect()
    }

    /// `PTTL` of streams of which something is promised, after they were read by a function, which does not tell it. If a publish has come in
    /// between the stream seems to live longer, which is true by then.
    async fn lives_apart(&self, logs: &[&LogName]) -> Result<Vec<Value>, Error> {
        let mut commands = redis::pipe();
        for log in logs.iter().filter(|log| self.lives.asks(log)) {
            commands.cmd("PTTL").arg(self.keys.stream(log));
        }
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let replies = self.pool.query(commands.ignore_errors()).await?;
        let replies = array(replies).ok_or(Error::Shape("PTTL"))?;
        let is_denied = |reply: &Value| matches!(reply, Value::ServerError(error) if matches!(Error::from(error), Error::Denied(_)));
        if replies.iter().any(is_denied) {
            self.lives.note_denied();
        }
        Ok(replies)
    }

    /// The same by `sse_tips`, which leaves the entries out. `None`: no function can be run.
    pub(super) async fn ends_without_entries(
        &self,
        channels: &[LogName],
    ) -> Result<Option<Vec<Result<End, Error>>>, Error> {
        let streams = channels.iter().map(|channel| self.keys.stream(channel)).collect();
        let epoch = self.epoch_of_all(channels);
        let Some((mut parts, now)) = self.function("sse_tips", streams, epoch, &[]).await? else { return Ok(None) };
        let summaries = parts.next().and_then(array).filter(|summaries| summaries.len() == channels.len());
        let summaries = summaries.ok_or(Error::Shape("sse_tips"))?;
        let asked: Vec<&LogName> = channels.iter().filter(|channel| self.lives.asks(channel)).collect();
        let lives = self.lives_apart(&asked).await?;
        let infos = summaries.into_iter().map(reply::summary);
        Ok(Some(self.ends_of(channels, infos, now, (&asked, lives))))
    }

    async fn range(
        &self,
        channel: &LogName,
        command: &str,
        [start, end]: [&str; 2],
        count: usize,
    ) -> Result<(Option<StreamInfo>, Vec<RawEntry>, Now, Life), Error> {
        let key = self.keys.stream(channel);
        let commands = |asks| {
            let mut commands = redis::pipe();
            commands.cmd("XINFO").arg("STREAM").arg(&key);
            commands.cmd(command).arg(&key).arg(start).arg(end).arg("COUNT").arg(count);
            if asks {
                commands.cmd("PTTL").arg(&key);
            }
            commands
        };
        let (asks, epoch) = (self.lives.asks(channel), self.epoch_of(channel));
        let (mut replies, now) = match self.transaction(commands(asks), epoch).await {
            Err(Error::Denied(_)) if asks => {
                let answer = self.transaction(commands(false), epoch).await?;
                self.lives.note_denied();
                answer
            }
            other => other?,
        };
        let pttl = if replies.len() > 2 { replies.pop() } else { None };
        let [info, entries]: [Value; 2] = replies.try_into().map_err(|_| Error::Shape("EXEC"))?;
        let info = reply::stream_info(info)?;
        let life = self.lives.learn(channel, info.as_ref(), now.ms, pttl.as_ref());
        Ok((info, reply::entries(entries)?, now, life))
    }

    /// Runs commands with `TIME` and an epoch key in one `MULTI`.
    async fn transaction(&self, commands: Pipeline, epoch_key: &EpochKey) -> Result<(Vec<Value>, Now), Error> {
        self.try_transaction(commands, epoch_key).await.map_err(|failure| failure.error)
    }

    /// The same; the failure says which of the commands were refused.
    async fn try_transaction(
        &self,
        mut commands: Pipeline,
        epoch_key: &EpochKey,
    ) -> Result<(Vec<Value>, Now), Failure> {
        commands.atomic().cmd("TIME").cmd("GET").arg(epoch_key.name()).ignore_errors();
        for _ in 0..EPOCH_ATTEMPTS {
            let eviction = epoch_key.eviction().await?;
            let replies = self.pool.ask(&commands).await?;
            let mut replies = array(replies).ok_or(Error::Shape("EXEC"))?;
            let epoch = replies.pop().ok_or(Error::Shape("EXEC"))?;
            let time = replies.pop().ok_or(Error::Shape("EXEC"))?;
            if let Some(now) = epoch_key.now(time, epoch, eviction).await? {
                return Ok((replies, now));
            }
        }
        Err(epoch_key.vanishes().into())
    }

    /// Runs a function, which tells `TIME` and an epoch key as well. What else it tells comes back. `None`: it cannot be run.
    async fn function(
        &self,
        name: &str,
        mut keys: Vec<String>,
        epoch_key: &EpochKey,
        arguments: &[String],
    ) -> Result<Option<(impl Iterator<Item = Value> + use<>, Now)>, Error> {
        keys.push(epoch_key.name().to_owned());
        for _ in 0..EPOCH_ATTEMPTS {
            let eviction = epoch_key.eviction().await?;
            let Some(reply) = self.functions.call(name, &keys, arguments).await? else { return Ok(None) };
            let mut parts = array(reply).ok_or(Error::Shape("a function"))?.into_iter();
            let (Some(time), Some(epoch)) = (parts.next(), parts.next()) else {
                return Err(Error::Shape("a function"));
            };
            if let Some(now) = epoch_key.now(time, epoch, eviction).await? {
                return Ok(Some((parts, now)));
            }
        }
        Err(epoch_key.vanishes())
    }
}

/// Whether a log is one of the gateway's own, out of the reach of publishers. The probe stands beside channels. Logs of one kind share
/// a key that names their life, and are read together.
pub(super) fn is_own(log: &LogName) -> bool {
    log.is_system() && !log.is_probe()
}

fn end(now: Now, info: Option<&StreamInfo>, life: Life) -> End {
    End {
        tip: now.tip(info, life),
        first: info.and_then(|info| info.first),
        length: info.map_or(Some(0), |info| info.length),
        sizes: sizes(info),
    }
}

/// What the end of a page that is not complete tells of the entry after it: with fewer entries than were asked for, that one did not
/// fit into what was left of the bytes.
fn next_bytes(page: impl Iterator<Item = usize>, (max_entries, max_bytes): (usize, usize)) -> usize {
    let (entries, bytes) = page.fold((0, 0), |(entries, bytes), size| (entries + 1, bytes + size));
    if entries < max_entries { max_bytes.saturating_sub(bytes) } else { 0 }
}

/// Sizes of a stream's oldest and its newest entry, in bytes.
fn sizes(info: Option<&StreamInfo>) -> (usize, usize) {
    info.map_or((0, 0), |info| (info.oldest_bytes, info.newest_bytes))
}
