//! What a connection exchanges with the server: commands come in and run when they are due, and what is said goes out.

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use super::{FULL, Server};
use crate::redis::outgoing::Outgoing;
use crate::redis::resp::{Command, Reply, take_command};

/// Whether the argument is the name of a function that reads entries.
fn is_read_of_entries(argument: &Bytes) -> bool {
    argument == "sse_read" || argument == "sse_newest"
}

impl Server {
    /// Takes the complete commands out of what a node has sent.
    pub(crate) fn receive(&mut self, number: u64, input: &mut Vec<u8>) {
        let late = if self.rng.chance(self.weather.late) { self.rng.up_to_ms(300) } else { Duration::ZERO };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        while let Some(command) = take_command(input) {
            self.trace.bytes(&connection.name, &command.join(&b' '));
            let far = self.far.filter(|_| connection.subscribed.is_empty()).unwrap_or_default();
            let due = Instant::now() + connection.latency + late + far;
            let due = due.max(connection.inbox.back().map_or(due, |(before, _)| *before));
            if self.far.is_some() {
                self.turns.note(&command);
            }
            connection.inbox.push_back((due, command));
        }
        let node = connection.node;
        if self.far.is_some() {
            let of_node = self.connections.values().filter(|connection| connection.node == node);
            let commands = of_node.flat_map(|connection| &connection.inbox);
            let count = commands.filter(|(_, command)| command.iter().any(is_read_of_entries)).count();
            self.reading[node] = self.reading[node].max(count);
        }
    }

    /// Runs what is due and says what is due.
    pub(crate) fn exchange(&mut self, number: u64) -> Outgoing {
        let (now, frozen) = (Instant::now(), self.frozen_until);
        let mut outgoing = Outgoing { write: Vec::new(), close: false, again_at: None };
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
            outgoing.close = true;
            return outgoing;
        };
        while connection.outbox.front().is_some_and(|(due, _)| connection.leaves(*due, frozen) <= now)
            && let Some(bytes) = connection.pop()
        {
            if self.far.is_some() {
                self.turns.note_said(&bytes);
            }
            outgoing.write.extend(bytes);
        }
        if let Some(left) = connection.cut {
            // What is on its way may still arrive, up to any byte. What a narrow link has not taken yet is not on its way.
            while let Some(bytes) = connection.pop().filter(|_| self.nature.bandwidth.is_none()) {
                outgoing.write.extend(bytes);
            }
            outgoing.write.truncate(left);
            outgoing.close = true;
        }
        let arrives = connection.inbox.front().map(|(due, _)| connection.arrives(*due, frozen));
        let leaves = connection.outbox.front().map(|(due, _)| connection.leaves(*due, frozen));
        outgoing.again_at = arrives.into_iter().chain(leaves).min();
        outgoing
    }

    /// The replies to one command. (Subscriptions have one for each channel.)
    fn answer(&mut self, number: u64, command: Command) -> Vec<Reply> {
        let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
        let refused = self.refusal(&name, &command);
        let is_queued = self.connections.get(&number).is_some_and(|connection| connection.queued.is_some());
        let out_of_memory = is_queued && name != "EXEC" && self.is_full;
        let refused = refused.or(out_of_memory.then(|| FULL.to_owned()));
        let sets = self.data.sets;
        let Some(connection) = self.connections.get_mut(&number) else { return Vec::new() };
        if let Some(refusal) = refused {
            connection.aborted |= is_queued;
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
                (connection.queued, connection.aborted) = (Some(Vec::new()), false);
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
            "EXEC" => match (connection.queued.take().filter(|_| !connection.aborted), connection.watched.take()) {
                (None, _) => vec![Reply::Error("EXECABORT Transaction discarded because of previous errors.".into())],
                (Some(_), Some(seen)) if seen != sets => vec![Reply::Nil],
                (Some(commands), _) => {
                    self.asking = connection.node;
                    vec![self.transaction(&commands)]
                }
            },
            "SUBSCRIBE" | "UNSUBSCRIBE" => connection.subscribe(&name, &command[1..]),
            _ => {
                self.asking = connection.node;
                vec![self.run(&command)]
            }
        }
    }
}
