//! What an error of Redis means for something that was to be written.

use fanfare_log::PublishError;

use crate::error::Error;

/// What an error reply begins with that Redis gives in place of running a command, for reasons that pass: nothing was written
/// (<https://redis.io/docs/latest/develop/reference/eval-intro/>: a script is refused as a whole, or at its first write).
const REFUSALS_FOR_NOW: [&str; 8] =
    ["OOM ", "READONLY ", "MISCONF ", "NOREPLICAS ", "CLUSTERDOWN ", "TRYAGAIN ", "MOVED ", "ASK "];

/// The library answers with an error only if it wrote nothing, and so does Redis in place of running it. What else may stand
/// between this node and Redis, and answer in its place, is not believed.
pub(crate) fn publish_error(error: Error) -> PublishError {
    match error {
        Error::Reply(text) if text.contains("fanfare: ") && text.contains(", not a stream") => {
            PublishError::Denied(text)
        }
        Error::Reply(text) => match text.strip_prefix("ERR fanfare: ") {
            Some(reason) => PublishError::Rejected(reason.to_owned()),
            None if REFUSALS_FOR_NOW.iter().any(|code| text.starts_with(code)) => PublishError::Refused(text),
            None => PublishError::Unavailable(text),
        },
        Error::NotYet(text) => PublishError::Refused(text),
        Error::Denied(text) | Error::WrongType(text) => PublishError::Denied(text),
        error => PublishError::Unavailable(error.to_string()),
    }
}
