//! Numbers of readers in Redis: a hash for each counted channel, and a text key for each life of a node.
//!
//! A field of the hash is a life, its value the readers of that node (<https://redis.io/docs/latest/commands/hset/>). The text key is there as
//! long as the life lasts: `SET … NX PX` begins it and `SET … XX PX` renews it, so that one that has lapsed never begins again
//! (<https://redis.io/docs/latest/commands/set/>). Plain commands do, in pipelines of a bounded length over the control connection: neither
//! the feed nor reads of the archive wait for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::{NodeLife, OccupancyAnswer, OccupancyError, OccupancyStore};
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{OCCUPANCY_CALLS_MAX, OCCUPANCY_KEPT, OCCUPANCY_LIFE};
use redis::{Pipeline, Value};

use crate::calls::Calls;
use crate::error::Error;
use crate::keys::Keys;
use crate::refusal_log::RefusalLog;
use crate::shared_connection::SharedConnection;
use crate::value::{bytes, number, pairs};

/// Keeps numbers of readers. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct RedisOccupancy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: Calls,
    keys: Keys,
    /// The number of the connection on which the latest life began.
    began_on: AtomicU64,
}

/// What Redis holds of a channel: readers by life.
type Counted = Vec<(Bytes, u64)>;

impl RedisOccupancy {
    pub(crate) fn new(connection: SharedConnection, keys: Keys, deadline: Duration) -> Self {
        let refusals = RefusalLog::of(
            "Redis refuses what this node does to count readers; see the rights of a node in docs/redis.md",
        );
        Self(Arc::new(Inner {
            calls: Calls::new(connection, OCCUPANCY_CALLS_MAX, deadline, refusals),
            keys,
            began_on: AtomicU64::new(0),
        }))
    }

    fn answer<T, F>(&self, carry_out: impl FnOnce(Arc<Inner>) -> F) -> OccupancyAnswer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (this, outcome) = (Arc::clone(&self.0), carry_out(Arc::clone(&self.0)));
        Box::pin(async move { outcome.await.map_err(|error| this.failed(error)) })
    }
}

impl OccupancyStore for RedisOccupancy {
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()> {
        self.answer(|this| async move {
            let mut commands = redis::pipe();
            if let Some(former) = former {
                end(&mut commands, this.keys.life(&former.to_string()));
            }
            commands
                .cmd("SET")
                .arg(this.keys.life(&life.to_string()))
                .arg(1)
                .arg("NX")
                .arg("PX")
                .arg(ms(OCCUPANCY_LIFE));
            let (connection, mut replies) = this.calls.ask_on(&commands).await?;
            match replies.pop() {
                Some(Value::Okay) => {
                    this.began_on.store(connection, Ordering::Relaxed);
                    Ok(())
                }
                _ => Err(Error::Shape("SET")),
            }
        })
    }

    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool> {
        self.answer(|this| async move {
            let mut commands = redis::pipe();
            commands
                .cmd("SET")
                .arg(this.keys.life(&life.to_string()))
                .arg(1)
                .arg("XX")
                .arg("PX")
                .arg(ms(OCCUPANCY_LIFE));
            let (connection, mut replies) = this.calls.ask_on(&commands).await?;
            match replies.pop() {
                // Another server may answer, a replica that has not heard of all that was written.
                Some(Value::Okay) => Ok(connection == this.began_on.load(Ordering::Relaxed)),
                Some(Value::Nil) => Ok(false),
                _ => Err(Error::Shape("SET")),
            }
        })
    }

    fn write(&self, life: NodeLife, readers: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        self.answer(move |this| async move {
            let (life, mut commands) = (life.to_string(), redis::pipe());
            for (channel, readers) in &readers {
                let key = this.keys.readers(channel);
                if *readers == 0 {
                    commands.cmd("HDEL").arg(&key).arg(&life);
                } else {
                    commands.cmd("HSET").arg(&key).arg(&life).arg(*readers);
                    commands.cmd("PEXPIRE").arg(&key).arg(ms(OCCUPANCY_KEPT));
                }
            }
            this.calls.ask(&commands).await.map(drop)
        })
    }

    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        self.answer(move |this| async move {
            let mut commands = redis::pipe();
            for channel in &channels {
                commands.cmd("PEXPIRE").arg(this.keys.readers(channel)).arg(ms(OCCUPANCY_KEPT));
            }
            let replies = this.calls.ask(&commands).await?;
            Ok(replies.into_iter().map(|reply| number(reply) == Some(1)).collect())
        })
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        self.answer(move |this| async move { this.read(&channels).await })
    }

    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()> {
        self.answer(move |this| async move {
            let (life, mut commands) = (life.to_string(), redis::pipe());
            end(&mut commands, this.keys.life(&life));
            for channel in &channels {
                commands.cmd("HDEL").arg(this.keys.readers(channel)).arg(&life);
            }
            this.calls.ask(&commands).await.map(drop)
        })
    }
}

impl Inner {
    /// Adds up what was said in lives that last. Numbers are read first and lives afterwards: a life that begins in between has said
    /// nothing yet.
    async fn read(&self, channels: &[ChannelName]) -> Result<Vec<u64>, Error> {
        let mut commands = redis::pipe();
        for channel in channels {
            commands.cmd("HGETALL").arg(self.keys.readers(channel));
        }
        let replies = self.calls.ask(&commands).await?;
        let counted: Vec<Counted> =
            replies.into_iter().map(|reply| counted(reply).ok_or(Error::Shape("HGETALL"))).collect::<Result<_, _>>()?;
        let lives = self.lives(&counted).await?;
        let lasts = |life: &Bytes| lives.get(life).copied().unwrap_or(false);
        let mut dead = redis::pipe();
        for (channel, counted) in channels.iter().zip(&counted) {
            for (life, _) in counted.iter().filter(|(life, _)| !lasts(life)) {
                dead.cmd("HDEL").arg(self.keys.readers(channel)).arg(&life[..]);
            }
        }
        if dead.cmd_iter().next().is_some()
            && let Err(error) = self.calls.ask(&dead).await
        {
            // The numbers are right all the same.
            self.calls.note(&error);
        }
        let sum = |counted: &Counted| counted.iter().filter(|(life, _)| lasts(life)).map(|(_, readers)| readers).sum();
        Ok(counted.iter().map(sum).collect())
    }

    /// Which lives last, of all that have said something. In order, so that a simulation can repeat what is asked.
    async fn lives(&self, counted: &[Counted]) -> Result<BTreeMap<Bytes, bool>, Error> {
        let lives: BTreeSet<&Bytes> = counted.iter().flatten().map(|(life, _)| life).collect();
        if lives.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut commands = redis::pipe();
        for life in &lives {
            commands.cmd("GET").arg(self.keys.life(&String::from_utf8_lossy(life)));
        }
        let replies = self.calls.ask(&commands).await?;
        Ok(lives.into_iter().cloned().zip(replies.into_iter().map(|reply| reply != Value::Nil)).collect())
    }

    fn failed(&self, error: Error) -> OccupancyError {
        self.calls.note(&error);
        match error {
            Error::Denied(text) | Error::WrongType(text) => OccupancyError::Denied(text),
            error => OccupancyError::Unavailable(error.to_string()),
        }
    }
}

/// A field that is no number counts for nothing.
fn counted(reply: Value) -> Option<Counted> {
    let fields = pairs(reply)?.into_iter();
    fields.map(|(life, readers)| Some((bytes(life)?, number(readers).unwrap_or(0)))).collect()
}

/// Removes a key, with a right that is needed anyway (<https://redis.io/docs/latest/commands/pexpire/>: a time that is not positive).
fn end(commands: &mut Pipeline, key: String) {
    commands.cmd("PEXPIRE").arg(key).arg(0);
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
