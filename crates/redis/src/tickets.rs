//! Tickets in Redis: a text key for each, and another one from its first use on.
//!
//! Plain commands do. The texts of a ticket never change; `SET … NX` says which of several nodes used it first, and `PX` ends each of
//! them. So a node needs no right that it does not need anyway, and a Redis without functions and scripts will do
//! (<https://redis.io/docs/latest/commands/set/>).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::{HeldTicket, TicketAnswer, TicketError, TicketStore};
use fanfare_protocol::TicketName;
use fanfare_protocol::limits::TICKET_CALLS_MAX;
use redis::{Pipeline, Value};

use crate::archive::reply::time_ms;
use crate::calls::Calls;
use crate::error::Error;
use crate::keys::Keys;
use crate::refusal_log::RefusalLog;
use crate::shared_connection::SharedConnection;
use crate::value::bytes;

/// Keeps tickets. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct RedisTickets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: Calls,
    keys: Keys,
}

impl RedisTickets {
    pub(crate) fn new(connection: SharedConnection, keys: Keys, deadline: Duration) -> Self {
        let refusals = RefusalLog::of(
            "Redis refuses what this node asks about tickets; see the rights of a node in docs/redis.md",
        );
        Self(Arc::new(Inner { calls: Calls::new(connection, TICKET_CALLS_MAX, deadline, refusals), keys }))
    }

    fn answer<T: Send + 'static>(
        &self,
        commands: impl FnOnce(&Keys, &mut Pipeline),
        read: fn(Vec<Value>) -> Result<T, Error>,
    ) -> TicketAnswer<T> {
        let (this, mut pipeline) = (Arc::clone(&self.0), redis::pipe());
        commands(&this.keys, &mut pipeline);
        Box::pin(async move {
            let answer = this.calls.ask(&pipeline).await.and_then(read);
            answer.map_err(|error| this.failed(error))
        })
    }
}

impl TicketStore for RedisTickets {
    fn now_ms(&self) -> TicketAnswer<u64> {
        let commands = |_: &Keys, pipeline: &mut Pipeline| {
            pipeline.cmd("TIME");
        };
        self.answer(commands, |replies| replies.into_iter().next().map_or(Err(Error::Shape("TIME")), time_ms))
    }

    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()> {
        let commands = |keys: &Keys, pipeline: &mut Pipeline| {
            pipeline.cmd("SET").arg(keys.ticket(ticket)).arg(&record[..]).arg("PX").arg(milliseconds(ttl));
        };
        self.answer(commands, |replies| match replies.as_slice() {
            [Value::Okay] => Ok(()),
            _ => Err(Error::Shape("SET")),
        })
    }

    fn find(&self, ticket: TicketName) -> TicketAnswer<HeldTicket> {
        let commands = |keys: &Keys, pipeline: &mut Pipeline| {
            pipeline.cmd("GET").arg(keys.ticket(ticket)).cmd("GET").arg(keys.used_ticket(ticket)).cmd("TIME");
        };
        self.answer(commands, |replies| {
            let [made, used, time] = <[Value; 3]>::try_from(replies).map_err(|_| Error::Shape("GET"))?;
            Ok(HeldTicket { made: bytes(made), used: bytes(used), now_ms: time_ms(time)? })
        })
    }

    fn use_first(&self, ticket: TicketName, record: Bytes, keep: Duration) -> TicketAnswer<Bytes> {
        let commands = |keys: &Keys, pipeline: &mut Pipeline| {
            let key = keys.used_ticket(ticket);
            pipeline.cmd("SET").arg(&key).arg(&record[..]).arg("PX").arg(milliseconds(keep)).arg("NX");
            pipeline.cmd("GET").arg(&key);
        };
        // Whoever came second is told so by nothing but the text of the first.
        self.answer(commands, |replies| replies.into_iter().next_back().and_then(bytes).ok_or(Error::Shape("GET")))
    }
}

impl Inner {
    fn failed(&self, error: Error) -> TicketError {
        self.calls.note(&error);
        match error {
            Error::Denied(text) | Error::WrongType(text) => TicketError::Denied(text),
            error => TicketError::Unavailable(error.to_string()),
        }
    }
}

/// For `PX`, which takes no nought.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
