//! Loading the library without ever replacing a newer one.
//!
//! Two nodes of different versions may load at once. "Ask for the version, then replace" lets the older one win (seen).
//! So the question and the answer are tied together by `WATCH` on a key that every load writes: a load that did not see
//! the latest one is not executed.

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::library::{LIBRARY, Library, VERSION};
use crate::error::Error;
use crate::value::number;

/// The key that every load writes. Functions belong to the whole server, so it has no prefix and lives in database 0.
pub(crate) const LIBRARY_KEY: &str = "$fanfare:library";

/// Attempts before a node leaves the field to the others, who are all loading.
const ATTEMPTS: usize = 16;

/// Brings the library to at least this version. The connection must be on database 0 and must not be used by anybody
/// else meanwhile, since `WATCH` belongs to the connection.
pub(crate) async fn load(connection: &mut MultiplexedConnection) -> Result<Library, Error> {
    load_version(connection, LIBRARY, VERSION).await
}

async fn load_version(connection: &mut MultiplexedConnection, text: &str, version: u64) -> Result<Library, Error> {
    // Before any right is missed: where there are no functions, none would help.
    if lacks_functions(connection).await? {
        return Ok(Library::Unsupported);
    }
    for _ in 0..ATTEMPTS {
        match refusable(redis::cmd("WATCH").arg(LIBRARY_KEY).query_async(connection).await)? {
            Ok(Value::Okay) => {}
            Ok(_) => return Err(Error::Shape("WATCH")),
            Err(library) => return Ok(library),
        }
        if let Some(done) = present(connection, version).await? {
            redis::cmd("UNWATCH").query_async::<Value>(connection).await?;
            return Ok(done);
        }
        let mut swap = redis::pipe();
        swap.atomic().cmd("SET").arg(LIBRARY_KEY).arg(version).cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(text);
        match refusable(swap.query_async::<Value>(connection).await)? {
            Ok(Value::Nil) => {} // Another node loaded it meanwhile: look again.
            Ok(_) => return Ok(Library::Loaded),
            Err(library) => return Ok(library),
        }
    }
    Err(Error::Reply("other nodes load the library all the time".into()))
}

/// What is loaded, if it is good enough.
async fn present(connection: &mut MultiplexedConnection, version: u64) -> Result<Option<Library>, Error> {
    match loaded_version(connection).await? {
        Some(found) if found == version => Ok(Some(Library::Present)),
        Some(found) if found > version => Ok(Some(Library::Newer(found))),
        _ => Ok(None),
    }
}

/// Whether Redis does not know the command, which it says before it looks at the user's rights.
async fn lacks_functions(connection: &mut MultiplexedConnection) -> Result<bool, Error> {
    match ask_version(connection).await {
        Err(error) if error.is_absent_command() => Ok(true),
        Ok(_) | Err(Error::Denied(_) | Error::Reply(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn ask_version(connection: &mut MultiplexedConnection) -> Result<Value, Error> {
    Ok(redis::cmd("FCALL_RO").arg("sse_version").arg(0).query_async::<Value>(connection).await?)
}

/// The version of the library in Redis; `None` when there is none (or none that tells its version).
pub(crate) async fn loaded_version(connection: &mut MultiplexedConnection) -> Result<Option<u64>, Error> {
    match ask_version(connection).await {
        Ok(value) => Ok(number(value)),
        // "Function not found", a wrong function of this name, an ACL without +fcall_ro, Redis 6.2.
        Err(Error::Reply(_) | Error::Denied(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells a refusal, which is an outcome, from a failure.
fn refusable(result: Result<Value, redis::RedisError>) -> Result<Result<Value, Library>, Error> {
    match result.map_err(Error::from) {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Denied(text)) => Ok(Err(Library::Refused(text))),
        Err(error) if error.is_absent_command() => Ok(Err(Library::Unsupported)),
        // A replica, a full memory, a failing disk.
        Err(Error::Reply(text)) => Ok(Err(Library::Refused(text))),
        Err(error) => Err(error),
    }
}
