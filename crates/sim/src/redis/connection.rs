//! One connection to the fake Redis: what has arrived, what is to be said, and what its network does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use fanfare_server::Socket as _;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until};

use super::resp::{Command, Reply, take_command};
use super::{FakeRedis, Server};
use crate::net::End;

/// A connection of one node.
#[derive(Debug)]
pub(super) struct Connection {
    /// For the trace.
    pub(super) name: String,
    pub(super) subscribed: BTreeSet<Bytes>,
    latency: Duration,
    inbox: VecDeque<(Instant, Command)>,
    outbox: VecDeque<(Instant, Vec<u8>)>,
    queued: Option<Vec<Command>>,
    /// `SET`s when it said `WATCH`.
    watched: Option<u64>,
    /// Nothing that was sent arrives at the server before.
    pub(super) deaf_until: Option<Instant>,
    /// Nothing that the server says arrives before.
    pub(super) mute_until: Option<Instant>,
    /// So many more bytes are sent, then the connection is closed.
    pub(super) cut: Option<usize>,
    pub(super) changed: Arc<Notify>,
}

impl Connection {
    pub(super) fn new(name: String, latency: Duration) -> Self {
        Self {
            name,
            subscribed: BTreeSet::new(),
            latency,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            queued: None,
            watched: None,
            deaf_until: None,
            mute_until: None,
            cut: None,
            changed: Arc::default(),
        }
    }

    /// Something to be sent, after everything before it.
    pub(super) fn say(&mut self, due: Instant, bytes: Vec<u8>) {
        let due = (due + self.latency).max(self.outbox.back().map_or(due, |(before, _)| *before));
        self.outbox.push_back((due, bytes));
        self.changed.notify_one();
    }

    /// Two messages change places.
    pub(super) fn swap_last(&mut self) {
        let last = self.outbox.len().wrapping_sub(1);
        let is_message = |(_, bytes): &(Instant, Vec<u8>)| bytes.starts_with(b">3\r\n$7\r\nmessage");
        if self.outbox.len() > 1 && is_message(&self.outbox[last]) && is_message(&self.outbox[last - 1]) {
            let (before, after) = (self.outbox[last - 1].0, self.outbox[last].0);
            self.outbox.swap(last, last - 1);
            (self.outbox[last - 1].0, self.outbox[last].0) = (before, after);
        }
    }

    fn arrives(&self, due: Instant, frozen: Instant) -> Instant {
        due.max(frozen).max(self.deaf_until.unwrap_or(due))
    }

    fn leaves(&self, due: Instant, frozen: Instant) -> Instant {
        due.max(frozen).max(self.mute_until.unwrap_or(due))
    }
}

/// What a connection's task has to do next.
struct Turn {
    write: Vec<u8>,
    close: bool,
    again_at: Option<Instant>,
}

/// Serves one connection until either side ends it.
pub(super) async fn serve(redis: FakeRedis, number: u64, mut end: End) {
    let Some(changed) = redis.lock().connections.get(&number).map(|connection| Arc::clone(&connection.changed)) else {
        return;
    };
    let (mut input, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let Turn { write, close, again_at } = redis.lock().turn(number);
        if !write.is_empty() && end.try_write(&write).is_err() || close {
            break;
        }
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            biased;
            read = end.read(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    input.extend_from_slice(&buffer[..count]);
                    redis.lock().receive(number, &mut input);
                }
            },
            () = changed.notified() => {}
            () = sleep_until(again_at.unwrap_or(far)) => {}
        }
    }
    redis.lock().connections.remove(&number);
}

impl Server {
    fn receive(&mut self, number: u64, input: &mut Vec<u8>) {
        let late = if self.rng.chance(self.weather.late) { self.rng.up_to_ms(300) } else { Duration::ZERO };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        while let Some(command) = take_command(input) {
            self.trace.bytes(&connection.name, &command.join(&b' '));
            let due = Instant::now() + connection.latency + late;
            let due = due.max(connection.inbox.back().map_or(due, |(before, _)| *before));
            connection.inbox.push_back((due, command));
        }
    }

    /// Runs what is due and says what is due.
    fn turn(&mut self, number: u64) -> Turn {
        let (now, frozen) = (Instant::now(), self.frozen_until);
        let mut turn = Turn { write: Vec::new(), close: false, again_at: None };
        while let Some(connection) = self.connections.get_mut(&number)
            && connection.inbox.front().is_some_and(|(due, _)| connection.arrives(*due, frozen) <= now)
            && let Some((_, command)) = connection.inbox.pop_front()
        {
            let mut bytes = Vec::new();
            self.answer(number, command).iter().for_each(|reply| reply.encode(&mut bytes));
            let Some(connection) = self.connections.get_mut(&number) else { break };
            connection.say(now, bytes);
        }
        let Some(connection) = self.connections.get_mut(&number) else {
            turn.close = true;
            return turn;
        };
        while connection.outbox.front().is_some_and(|(due, _)| connection.leaves(*due, frozen) <= now)
            && let Some((_, bytes)) = connection.outbox.pop_front()
        {
            turn.write.extend(bytes);
        }
        if let Some(left) = connection.cut {
            // What is on its way may still arrive, up to any byte.
            connection.outbox.drain(..).for_each(|(_, bytes)| turn.write.extend(bytes));
            turn.write.truncate(left);
            turn.close = true;
        }
        let arrives = connection.inbox.front().map(|(due, _)| connection.arrives(*due, frozen));
        let leaves = connection.outbox.front().map(|(due, _)| connection.leaves(*due, frozen));
        turn.again_at = arrives.into_iter().chain(leaves).min();
        turn
    }

    /// The replies to one command. (Subscriptions have one for each channel.)
    fn answer(&mut self, number: u64, command: Command) -> Vec<Reply> {
        let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
        let refused = self.refusal(&name, &command);
        let sets = self.data.sets;
        let Some(connection) = self.connections.get_mut(&number) else { return Vec::new() };
        if let Some(refusal) = refused {
            connection.queued = None;
            return vec![Reply::Error(refusal)];
        }
        if let Some(queue) = connection.queued.as_mut().filter(|_| name != "EXEC") {
            queue.push(command);
            return vec![Reply::Queued];
        }
        match name.as_str() {
            "HELLO" => vec![Reply::Map(vec![(Reply::text("proto"), Reply::Number(3))])],
            "CLIENT" | "SELECT" => vec![Reply::Ok],
            "MULTI" => {
                connection.queued = Some(Vec::new());
                vec![Reply::Ok]
            }
            "WATCH" => {
                connection.watched = Some(sets);
                vec![Reply::Ok]
            }
            "UNWATCH" => {
                connection.watched = None;
                vec![Reply::Ok]
            }
            "EXEC" => match (connection.queued.take(), connection.watched.take()) {
                (None, _) => vec![Reply::Error("EXECABORT Transaction discarded because of previous errors.".into())],
                (Some(_), Some(seen)) if seen != sets => vec![Reply::Nil],
                (Some(commands), _) => vec![self.transaction(&commands)],
            },
            "SUBSCRIBE" | "UNSUBSCRIBE" => connection.subscribe(&name, &command[1..]),
            _ => vec![self.run(&command)],
        }
    }
}

impl Connection {
    fn subscribe(&mut self, name: &str, channels: &[Bytes]) -> Vec<Reply> {
        let mut replies = Vec::new();
        for channel in channels {
            if name == "SUBSCRIBE" {
                self.subscribed.insert(channel.clone());
            } else {
                self.subscribed.remove(channel);
            }
            let count = i64::try_from(self.subscribed.len()).unwrap_or(i64::MAX);
            let kind = Reply::text(name.to_ascii_lowercase());
            replies.push(Reply::Push(vec![kind, Reply::Bulk(channel.clone()), Reply::Number(count)]));
        }
        replies
    }
}
