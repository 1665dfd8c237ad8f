//! Calls of one kind over the shared connection: a bounded number at a time, each within a deadline.

use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::refusal_log::RefusalLog;
use crate::shared_connection::{NumberedConnection, SharedConnection};
use crate::value::array;

/// Sends pipelines of plain commands. Calls of one kind do not take the places of another's.
#[derive(Debug)]
pub(crate) struct Calls {
    connection: SharedConnection,
    permits: Semaphore,
    deadline: Duration,
    refusals: RefusalLog,
}

impl Calls {
    /// At most so many at a time; others wait for their turn within their `deadline`.
    pub(crate) fn new(connection: SharedConnection, most: usize, deadline: Duration, refusals: RefusalLog) -> Self {
        Self { connection, permits: Semaphore::new(most), deadline, refusals }
    }

    /// Sends commands in one round trip. The first that is refused is the answer. When it is dropped, the commands may have been carried out.
    ///
    /// # Errors
    /// No connection, no answer in time, or what Redis says.
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        self.ask_on(commands).await.map(|(_, replies)| replies)
    }

    /// The same with the number of the connection.
    pub(crate) async fn ask_on(&self, commands: &Pipeline) -> Result<(u64, Vec<Value>), Error> {
        let deadline = Instant::now() + self.deadline;
        let late = || Error::Timeout(self.deadline);
        let Ok(Ok(_permit)) = timeout_at(deadline, self.permits.acquire()).await else { return Err(late()) };
        let connection = self.connection.get_numbered(deadline).await;
        let NumberedConnection { number, mut connection } =
            connection.ok_or_else(|| Error::Link("not connected to Redis".to_owned()))?;
        let replies = timeout_at(deadline, commands.query_async::<Value>(&mut connection)).await.map_err(|_| late())?;
        Ok((number, array(replies?).ok_or(Error::Shape("a pipeline"))?))
    }

    /// Tells the operator what Redis refuses. An error that is no refusal is not his.
    pub(crate) fn note(&self, error: &Error) {
        if let Error::Denied(text) | Error::Reply(text) | Error::NotYet(text) | Error::WrongType(text) = error {
            self.refusals.note(text);
        }
    }
}
