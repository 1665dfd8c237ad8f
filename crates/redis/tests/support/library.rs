//! The library in a server, or its text where the server has no functions.

use fanfare_redis::{LIBRARY, SCRIPT};
use redis::{Cmd, RedisError, Value};

use super::Server;

impl Server {
    /// Loads the library, where the server has functions.
    pub async fn load_library(&self) {
        match self.try_run::<Value>(&["FUNCTION", "LOAD", LIBRARY]).await {
            Ok(_) => {}
            Err(error) if is_unknown_command(&error) => {}
            Err(error) => panic!("FUNCTION LOAD: {error}"),
        }
    }

    /// Whether the server has functions, by its own word. If not, says that something is left out.
    pub async fn has_functions(&self) -> bool {
        let lacks = self.try_run::<Value>(&["FUNCTION", "STATS"]).await.is_err_and(|error| is_unknown_command(&error));
        if lacks {
            println!("skipped: no functions on this server");
        }
        !lacks
    }

    /// Whether scripts can ask what the caller may run before they write.
    pub async fn foresees_denials(&self) -> bool {
        self.run::<u64>(&["EVAL", "return redis.acl_check_cmd and 1 or 0", "0"]).await == 1
    }

    /// Whether a stream tells how many entries were ever added to it, so that one sees if any was removed.
    pub async fn counts_entries(&self) -> bool {
        self.run::<Value>(&["XADD", "test:counted", "*", "data", "d"]).await;
        let info: Value = self.run(&["XINFO", "STREAM", "test:counted"]).await;
        self.run::<Value>(&["DEL", "test:counted"]).await;
        format!("{info:?}").contains("entries-added")
    }

    /// The beginning of a call that publishes to one stream: of the function, or of the script where there are no functions.
    pub async fn publishing(&self) -> Cmd {
        let mut call = redis::cmd("FCALL");
        call.arg("sse_publish").arg(1);
        if self.try_run::<Value>(&["FCALL_RO", "sse_version", "0"]).await.is_err_and(|error| is_unknown_command(&error))
        {
            let hash: String = self.run(&["SCRIPT", "LOAD", SCRIPT]).await;
            call = redis::cmd("EVALSHA");
            call.arg(hash).arg(1);
        }
        call
    }

    /// Publishes: `words` are the stream and the options.
    pub async fn publish(&self, words: &[&str]) -> String {
        self.publishing().await.arg(words).query_async(&mut self.connection().await).await.unwrap()
    }
}

pub fn is_unknown_command(error: &RedisError) -> bool {
    error.to_string().contains("unknown command")
}
