//! A key that names one life of the data, and with it what Redis may evict: who gives the name, and when it changes.

use std::sync::{Arc, Mutex};

use fanfare_log::Random;
use fanfare_protocol::Epoch;
use fanfare_protocol::limits::EPOCH_RENAMED_INTERVAL;
use redis::Value;
use tokio::time::Instant;

use super::epoch_name;
use super::lives::Lives;
use super::now::Now;
use super::reply;
use crate::error::Error;
use crate::eviction::{self, Eviction};
use crate::pool::Pool;
use crate::status::Status;
use crate::value::{array, bytes};

/// What a key names the life of.
#[derive(Debug)]
pub(super) enum Whose {
    /// Of channels' streams, by what is promised about them.
    Channels(Arc<Lives>),
    /// Of the gateway's own logs, which do not expire.
    Own,
}

impl Whose {
    /// What its name tells of what Redis evicts. `None`: nothing, where absences prove nothing for long.
    fn named(&self, told: Eviction) -> Option<Eviction> {
        match self {
            Self::Channels(lives) => lives.are_promised().then(|| told.of_streams(lives.do_expire())),
            Self::Own if told.takes(false) => Some(Eviction::Anything),
            Self::Own => Some(Eviction::Nothing),
        }
    }
}

/// The key, and what its name depends on.
#[derive(Debug)]
pub(super) struct EpochKey {
    pool: Pool,
    name: String,
    /// Where it is kept whether Redis may evict.
    status: Status,
    /// For the name of a new life of the data.
    random: Random,
    whose: Whose,
    /// Until then no life of the data is renamed.
    renaming_rests_until: Mutex<Instant>,
}

impl EpochKey {
    /// `name`: of the key.
    pub(super) fn new(pool: Pool, name: String, (status, random): (Status, Random), whose: Whose) -> Self {
        Self { pool, name, status, random, whose, renaming_rests_until: Mutex::new(Instant::now()) }
    }

    /// The name of the key.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What Redis may evict.
    pub(super) async fn eviction(&self) -> Result<Eviction, Error> {
        if let Some(told) = self.status.eviction() {
            return Ok(told);
        }
        let told = self.ask_eviction().await?.unwrap_or(Eviction::Anything);
        self.status.set_eviction(Some(told));
        Ok(told)
    }

    /// What is true of the whole server, by the replies to `TIME` and to `GET` of the key. `None` after this life of the data was given
    /// its name.
    pub(super) async fn now(&self, time: Value, epoch: Value, told: Eviction) -> Result<Option<Now>, Error> {
        let named = self.whose.named(told);
        match epoch {
            Value::Nil => self.give_name(named).await.map(|()| None),
            Value::ServerError(error) => Err(Error::from(&error)),
            value => {
                let name = bytes(value).ok_or(Error::Shape("GET"))?;
                let is_named = named.is_none_or(|named| epoch_name::eviction(&name) == named);
                if !is_named && self.may_rename() && self.rename(&name).await? {
                    return Ok(None);
                }
                // Until the life is renamed, what was absent in it may have been evicted.
                let eviction = if is_named { told } else { Eviction::Anything };
                Ok(Some(Now { ms: reply::time_ms(time)?, epoch: Epoch::from_key(&name), eviction }))
            }
        }
    }

    /// The error of a read that found no name in all its attempts.
    pub(super) fn vanishes(&self) -> Error {
        Error::Reply(format!("the key {} vanishes as soon as it is set", self.name))
    }

    /// Gives this life of the data its name, unless another node was faster.
    async fn give_name(&self, named: Option<Eviction>) -> Result<(), Error> {
        let random = [self.random.number(), self.random.number()];
        let name = epoch_name::new(random, named.unwrap_or(Eviction::Nothing));
        let mut command = redis::pipe();
        command.cmd("SET").arg(&self.name).arg(name).arg("NX");
        self.pool.query(&command).await.map(|_| ())
    }

    /// Whether it is time to look if the eviction policy was another one when this life of the data was named. At most once in an interval,
    /// should nodes disagree.
    fn may_rename(&self) -> bool {
        let now = Instant::now();
        let mut rests_until = self.renaming_rests_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = now >= *rests_until;
        if is_due {
            *rests_until = now + EPOCH_RENAMED_INTERVAL;
        }
        is_due
    }

    /// Renames this life of the data if Redis tells that its policy is another one indeed. Returns whether it did.
    async fn rename(&self, name: &[u8]) -> Result<bool, Error> {
        let Some(told) = self.ask_eviction().await? else { return Ok(false) };
        self.status.set_eviction(Some(told));
        let Some(named) = self.whose.named(told).filter(|named| epoch_name::eviction(name) != *named) else {
            return Ok(false);
        };
        let mut command = redis::pipe();
        command.cmd("SET").arg(&self.name).arg(epoch_name::next(name, named));
        self.pool.query(&command).await?;
        tracing::warn!(
            key = self.name,
            evicts = ?told,
            "what Redis evicts, or what is promised about it, has changed: what was absent before proves nothing from now on"
        );
        Ok(true)
    }

    /// `None`: Redis does not tell.
    async fn ask_eviction(&self) -> Result<Option<Eviction>, Error> {
        Ok(match self.fact(&["INFO", "memory"]).await? {
            Some(info) => eviction::by_info(info),
            None => eviction::by_config(self.fact(&eviction::CONFIG).await?),
        })
    }

    /// The reply to a command that this Redis, or this user, may not have: `None` then.
    async fn fact(&self, words: &[&str]) -> Result<Option<Value>, Error> {
        let mut command = redis::pipe();
        command.cmd(words[0]).arg(&words[1..]);
        match self.pool.query(&command).await {
            Ok(reply) => Ok(array(reply).and_then(|replies| replies.into_iter().next())),
            Err(error) if error.is_missing_command() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
