//! Calling the publishing library in both of its forms, and hearing what it pushes.

use bytes::Bytes;
use fanfare_protocol::EntryId;
use fanfare_redis::SCRIPT;
use redis::{Cmd, PushInfo, PushKind, RedisError, Value};
use tokio::sync::mpsc;

use super::{Server, connect, text};

/// The two forms of the one text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Function,
    Script,
}

pub const FORMS: [Form; 2] = [Form::Function, Form::Script];

pub async fn library() -> Server {
    let server = Server::start().await;
    server.load_library().await;
    server
}

/// The forms that the server knows.
pub async fn forms(server: &Server) -> Vec<Form> {
    if server.has_functions().await { FORMS.to_vec() } else { vec![Form::Script] }
}

impl Form {
    /// Whether the server knows this form.
    pub async fn is_known(self, server: &Server) -> bool {
        self == Self::Script || server.has_functions().await
    }

    /// The beginning of a call with one stream.
    pub fn command(self) -> Cmd {
        let (verb, what) = if self == Self::Function { ("FCALL", "sse_publish") } else { ("EVAL", SCRIPT) };
        let mut command = redis::cmd(verb);
        command.arg(what).arg(1);
        command
    }

    /// What a user needs to run it.
    pub fn right(self) -> &'static str {
        if self == Self::Function { "+fcall" } else { "+eval" }
    }

    pub async fn try_publish(self, server: &Server, words: &[&[u8]]) -> Result<Value, RedisError> {
        self.try_publish_as(&server.url(), words).await
    }

    pub async fn try_publish_as(self, url: &str, words: &[&[u8]]) -> Result<Value, RedisError> {
        let mut command = self.command();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut connect(url).await?).await
    }

    pub async fn publish(self, server: &Server, words: &[&str]) -> EntryId {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        text(&self.try_publish(server, &words).await.unwrap()).parse().unwrap()
    }

    pub async fn refusal(self, server: &Server, words: &[&[u8]]) -> String {
        let error = self.try_publish(server, words).await.expect_err("a refusal");
        format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
    }
}

/// Subscribes and hands over what arrives.
pub async fn listen(server: &Server, channel: &str) -> (redis::aio::MultiplexedConnection, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(100);
    let config = redis::AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        if let (PushKind::Message, [_, Value::BulkString(payload)]) = (push.kind, &push.data[..]) {
            sender.try_send(Bytes::copy_from_slice(payload)).unwrap();
        }
        Ok::<_, redis::aio::SendError>(())
    });
    let client = redis::Client::open(format!("{}/?protocol=resp3", server.url())).unwrap();
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    connection.subscribe(channel).await.unwrap();
    (connection, receiver)
}

pub async fn keys(server: &Server) -> Vec<String> {
    let mut keys: Vec<String> = server.run(&["KEYS", "*"]).await;
    keys.sort();
    keys
}
