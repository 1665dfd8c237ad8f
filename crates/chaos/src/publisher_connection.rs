//! One publisher's way to Redis and to the nodes. Each attempt to publish may end without an answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fanfare_e2e::{Transport, key, request_over, script};
use fanfare_oracle::EntryId;
use fanfare_oracle::resp::{Connection, Reply};

use crate::outgoing_event::OutgoingEvent;
use crate::publish_method::PublishMethod;
use crate::world::PUBLISH_KEY;

/// How long a publisher waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The event has this id.
    Published(EntryId),
    /// It was certainly not published by this attempt.
    Refused(String),
    /// It may have been.
    Unanswered,
}

/// Where one publisher publishes, with the connection in use.
#[derive(Debug)]
pub(crate) struct PublisherConnection {
    /// Redis, through the publishers' proxy.
    pub(crate) redis: SocketAddr,
    /// The balancer.
    pub(crate) http: SocketAddr,
    /// How it talks to that.
    transport: Transport,
    connection: Option<Connection>,
    /// What Redis calls the connection, to end it.
    client_id: Option<i64>,
    script: Option<String>,
}

impl PublisherConnection {
    pub(crate) fn new(redis: SocketAddr, http: SocketAddr, transport: &Transport) -> Self {
        Self { redis, http, transport: transport.clone(), connection: None, client_id: None, script: None }
    }

    /// What Redis calls the connection that an unanswered attempt used.
    pub(crate) fn client_id(&self) -> Option<i64> {
        self.client_id
    }

    /// One attempt.
    pub(crate) fn send(&mut self, method: PublishMethod, event: &OutgoingEvent) -> Outcome {
        if method == PublishMethod::Http {
            return self.post(event);
        }
        if self.connection.is_none()
            && let Err(error) = self.connect()
        {
            return Outcome::Refused(format!("no connection: {error}"));
        }
        let reply = match method {
            PublishMethod::Transaction => self.transaction(event),
            PublishMethod::Script => self.evalsha(event),
            _ => self.words(&simple(method, event).iter().map(String::as_str).collect::<Vec<_>>()),
        };
        match reply {
            Ok(Reply::Text(id)) => published(&String::from_utf8_lossy(&id)),
            Ok(Reply::Error(message)) => Outcome::Refused(message),
            Ok(other) => Outcome::Refused(format!("an odd reply: {other:?}")),
            Err(_) => {
                self.connection = None;
                Outcome::Unanswered
            }
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        let mut connection = Connection::open_with(self.redis, PATIENCE)?;
        self.client_id = match connection.try_command(&[b"CLIENT", b"ID"])? {
            Reply::Integer(id) => Some(id),
            other => return Err(io::Error::other(format!("{other:?}"))),
        };
        self.connection = Some(connection);
        Ok(())
    }

    fn words(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?.try_words(words)
    }

    fn transaction(&mut self, event: &OutgoingEvent) -> io::Result<Reply> {
        let key = key(&event.channel);
        let add = simple(PublishMethod::Plain, event);
        let add: Vec<&[u8]> = add.iter().map(|word| word.as_bytes()).collect();
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let last = connection.try_transaction(&[&add, &[b"PUBLISH", key.as_bytes(), b""]])?;
        Ok(if let Reply::Array(mut replies) = last { replies.swap_remove(0) } else { last })
    }

    /// A restart of Redis forgets scripts: `EVAL` brings this one back.
    fn evalsha(&mut self, event: &OutgoingEvent) -> io::Result<Reply> {
        let key = key(&event.channel);
        let fixed = ["1", &key, "DATA", &event.data, "MAXLEN", &event.maxlen];
        let arguments = [&fixed[..], &event.ttl()[..]].concat();
        if let Some(sha) = self.script.clone() {
            let reply = self.words(&[&["EVALSHA", &sha][..], &arguments[..]].concat())?;
            if reply.error().is_none_or(|error| !error.starts_with("NOSCRIPT")) {
                return Ok(reply);
            }
        }
        let text = script();
        if let Reply::Text(sha) = self.words(&["SCRIPT", "LOAD", &text])? {
            self.script = Some(String::from_utf8_lossy(&sha).into_owned());
        }
        self.words(&[&["EVAL", &text][..], &arguments[..]].concat())
    }

    fn post(&self, event: &OutgoingEvent) -> Outcome {
        let authorization = format!("Bearer {PUBLISH_KEY}");
        let headers = [("Authorization", authorization.as_str()), ("Idempotency-Key", &event.name)];
        let path = format!("/channels/{}/events", event.channel);
        let response =
            request_over(&self.transport, PATIENCE, self.http, "POST", &path, &headers, event.data.as_bytes());
        let Ok(response) = response else { return Outcome::Unanswered };
        match (response.status(), serde_json::from_slice::<serde_json::Value>(&response.body)) {
            (201, Ok(json)) => match json["id"].as_str() {
                Some(id) => published(id),
                None => Outcome::Refused(format!("201 without an id: {json}")),
            },
            (400..=499, _) => Outcome::Refused(response.text()),
            // The documents say: it may or may not have been published.
            _ => Outcome::Unanswered,
        }
    }
}

/// Redis, or a node, says that the event has this id.
fn published(id: &str) -> Outcome {
    id.parse().map_or_else(|_| Outcome::Refused(format!("an id that is none: {id:?}")), Outcome::Published)
}

/// The words of a method that is one command.
fn simple(method: PublishMethod, event: &OutgoingEvent) -> Vec<String> {
    let key = key(&event.channel);
    let words: Vec<&str> = match method {
        PublishMethod::Plain => vec!["XADD", &key, "MAXLEN", "~", &event.maxlen, "*", "data", &event.data],
        PublishMethod::Deduplicated => {
            let words = ["FCALL", "sse_publish", "1", &key, "DATA", &event.data, "MAXLEN", &event.maxlen];
            [&words[..], &["DEDUP", &event.name], &event.ttl()[..]].concat()
        }
        _ => {
            let words = ["FCALL", "sse_publish", "1", &key, "DATA", &event.data, "MAXLEN", &event.maxlen];
            [&words[..], &event.ttl()[..]].concat()
        }
    };
    words.into_iter().map(str::to_owned).collect()
}
