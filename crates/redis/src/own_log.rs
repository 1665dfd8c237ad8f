//! Writing to the gateway's own logs.
//!
//! An entry and the message by which nodes hear of it are one transaction: either a node is told of it at once, or nothing was written. The
//! message is a doorbell, since messages of these logs are never believed.

use fanfare_log::{AppendRequest, PublishError};
use fanfare_protocol::{EntryId, LogName};
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::connect::{self, Connector};
use crate::error::Error;
use crate::keys::Keys;
use crate::options::Options;
use crate::primary::identify;
use crate::publish_error::publish_error;
use crate::value::{array, entry_id, number, pairs, text};

/// Appends one entry to a log of the gateway's own, over a connection made for it. Takes at most `command_timeout` for each of a few steps.
///
/// # Errors
/// See [`PublishError`].
pub async fn append(options: &Options, request: AppendRequest) -> Result<EntryId, PublishError> {
    let unreachable = |error: &dyn ToString| PublishError::Unreachable(error.to_string());
    let info = options.validate().and_then(|()| options.connection()).map_err(|error| unreachable(&error))?;
    let config = connect::config(options.command_timeout);
    let connecting = Connector::Network.connect(info, config, options.command_timeout).await;
    let mut connection = connecting.map_err(|error| unreachable(&error))?;
    identify(&mut connection).await.map_err(|error| unreachable(&error))?;
    append_over(&mut connection, &options.keys(), &request).await
}

/// The same over a connection that is there.
pub(crate) async fn append_over(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    request: &AppendRequest,
) -> Result<EntryId, PublishError> {
    let key = keys.stream(&LogName::system(request.log.clone()));
    // Nothing is written yet.
    let log = look(connection, &key).await.map_err(|error| match publish_error(error) {
        PublishError::Unavailable(reason) => PublishError::Unreachable(reason),
        refused => refused,
    })?;
    let oldest_kept_ms = log.now_ms.saturating_sub(u64::try_from(request.keep.as_millis()).unwrap_or(u64::MAX));
    let is_full = log.entries >= u64::try_from(request.max_entries).unwrap_or(u64::MAX);
    if is_full && log.oldest.is_none_or(|oldest| oldest.ms >= oldest_kept_ms) {
        let reason = format!("the log holds {} entries that are in force, and may hold no more", log.entries);
        return Err(PublishError::Rejected(reason));
    }
    // Redis drops whole pieces of a stream for less work (https://redis.io/docs/latest/commands/xadd/): what is older and shares one with what
    // is not stays. A full log makes room, entry by entry.
    let exactly = if is_full { "=" } else { "~" };
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("XADD").arg(&key).arg("MINID").arg(exactly).arg(oldest_kept_ms);
    transaction.arg("*").arg("data").arg(&request.data[..]);
    transaction.cmd("PUBLISH").arg(&key).arg("").ignore();
    let reply = transaction.query_async::<Value>(connection).await.map_err(|error| publish_error(error.into()))?;
    let id = array(reply).and_then(|replies| entry_id(replies.into_iter().next()?));
    id.ok_or_else(|| PublishError::Unavailable("Redis did not reply with an id".to_owned()))
}

/// A log, before something is appended.
struct Look {
    /// The time by the server's clock, in milliseconds.
    now_ms: u64,
    entries: u64,
    oldest: Option<EntryId>,
}

async fn look(connection: &mut MultiplexedConnection, key: &str) -> Result<Look, Error> {
    let time = redis::cmd("TIME").query_async::<Value>(connection).await?;
    let mut time = array(time).unwrap_or_default().into_iter().filter_map(number);
    let (Some(seconds), Some(micros)) = (time.next(), time.next()) else { return Err(Error::Shape("TIME")) };
    let now_ms = seconds * 1_000 + micros / 1_000;
    let stream = redis::cmd("XINFO").arg("STREAM").arg(key).query_async::<Value>(connection).await;
    match stream.map_err(Error::from) {
        Ok(facts) => read_facts(now_ms, facts).ok_or(Error::Shape("XINFO")),
        Err(Error::Reply(reason)) if reason.contains("no such key") => Ok(Look { now_ms, entries: 0, oldest: None }),
        Err(error) => Err(error),
    }
}

/// What `XINFO STREAM` says (<https://redis.io/docs/latest/commands/xinfo-stream/>).
fn read_facts(now_ms: u64, facts: Value) -> Option<Look> {
    let (mut entries, mut oldest) = (None, None);
    for (name, value) in pairs(facts)? {
        match text(name).as_deref() {
            Some("length") => entries = number(value),
            // Nil, if there is none; otherwise its id and its fields.
            Some("first-entry") => oldest = array(value).and_then(|entry| entry_id(entry.into_iter().next()?)),
            _ => {}
        }
    }
    Some(Look { now_ms, entries: entries?, oldest })
}
