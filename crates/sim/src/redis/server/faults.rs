//! What can happen to this Redis and its network.

use bytes::Bytes;
use fanfare_oracle::IncarnationEnd;
use tokio::time::{Duration, Instant};

use super::Server;
use crate::redis::connection::Connection;
use crate::redis::destruction::Destruction;
use crate::redis::store::{Stream, key_of};
use crate::redis::weather::Weather;
use crate::{OWN_LOG, PREFIX};

impl Server {
    pub(super) fn refusal(&mut self, name: &str, command: &[Bytes]) -> Option<String> {
        let is_probe = matches!(name, "PUBLISH" | "SUBSCRIBE")
            && command[1..].iter().any(|channel| channel.windows(7).any(|part| part == b"$probe:"));
        if is_probe && self.nature.no_probes {
            return Some("NOPERM No permissions to access a channel".into());
        }
        // What the strangers of the simulation ask for is forbidden: no channel of such a name, no key of such a name.
        let names = |part: &[u8]| command[1..].iter().any(|name| name.windows(part.len()).any(|of| of == part));
        if name == "SUBSCRIBE" && names(b"forbidden") {
            return Some("NOPERM No permissions to access a channel used as argument".into());
        }
        // The gateway's own keys are not: a node has a right to all of them or to none.
        let is_own = command.get(1).is_some_and(|key| key.starts_with(b"$fanfare:"));
        if name != "SUBSCRIBE" && name != "UNSUBSCRIBE" && name != "PUBLISH" && !is_own && names(b"locked") {
            return Some("NOPERM No permissions to access a key used as argument".into());
        }
        let is_function = |name: &[u8]| matches!(name, b"sse_tips" | b"sse_read" | b"sse_newest");
        let reads = || matches!(name, "XRANGE" | "XREVRANGE" | "XINFO") || command.iter().any(|name| is_function(name));
        if self.weather.refuses_reads && reads() {
            return Some("LOADING Redis is loading the dataset in memory".into());
        }
        let passing = !matches!(name, "HELLO" | "CLIENT" | "MULTI" | "EXEC" | "SUBSCRIBE" | "UNSUBSCRIBE");
        let refused = passing && self.rng.chance(self.weather.refused);
        refused.then(|| "LOADING Redis is loading the dataset in memory".into())
    }

    /// Everything is well from now on.
    pub(crate) fn heal(&mut self) {
        self.weather = Weather::default();
        let now = Instant::now();
        self.down_until = now;
        self.frozen_until = now;
        self.is_full = false;
        self.connections.values_mut().for_each(Connection::heal);
    }

    /// Closes a connection after any number of the bytes that are on their way; `all`: every connection.
    pub(crate) fn cut(&mut self, all: bool) {
        let chosen = self.rng.below(self.connections.len());
        for (index, connection) in self.connections.values_mut().enumerate() {
            if all || index == chosen {
                connection.cut = Some(if self.rng.chance(500) { usize::MAX } else { self.rng.below(200) });
                connection.changed.notify_one();
                self.trace.note(|| format!("the connection {} is cut", connection.name));
            }
        }
    }

    /// One direction of a connection goes silent without a word.
    pub(crate) fn silence(&mut self, time: Duration) {
        let chosen = self.rng.below(self.connections.len());
        let until = Some(Instant::now() + time);
        let Some(connection) = self.connections.values_mut().nth(chosen) else { return };
        if self.rng.chance(500) {
            connection.deaf_until = until;
            connection.trouble.note_deaf(Instant::now() + time);
            self.trace.note(|| format!("nothing from {} arrives for {time:?}", connection.name));
        } else {
            connection.mute_until = until;
            connection.trouble.note_mute(Instant::now() + time);
            self.trace.note(|| format!("nothing arrives at {} for {time:?}", connection.name));
        }
        connection.changed.notify_one();
    }

    /// The feed of a node stands and brings nothing for a while; or what it brings is late by a time, in order. Commands on other connections are
    /// answered as before.
    pub(crate) fn hold_up_feed(&mut self, node: usize, time: Duration, late_by: Option<Duration>) {
        let until = Instant::now() + time;
        let Some(connection) = self.connections.values_mut().find(|connection| connection.is_feed_of(node)) else {
            return;
        };
        match late_by {
            Some(by) => {
                connection.delayed = Some((until, by));
                connection.trouble.note_mute(until + by);
            }
            None => {
                connection.mute_until = Some(until);
                connection.trouble.note_mute(until);
            }
        }
        self.trace.note(|| format!("for {time:?} the feed {} is late by {late_by:?} (None: mute)", connection.name));
    }

    /// Its memory is full: whatever might take more of it is refused. Or it is no longer full.
    pub(crate) fn fill_up(&mut self, is_full: bool) {
        self.trace.note(|| format!("the memory of Redis is full: {is_full}"));
        self.is_full = is_full;
        self.troubles.note_refusals();
    }

    /// Every read is refused, and what the publishing function says is lost. Or no longer.
    pub(crate) fn refuse_reads(&mut self, refuses: bool) {
        self.trace
            .note(|| format!("Redis refuses to be read, and loses messages of the publishing function: {refuses}"));
        self.weather.refuses_reads = refuses;
        self.troubles.note_refusals();
    }

    /// The process is stopped and continues later.
    pub(crate) fn freeze(&mut self, time: Duration) {
        self.trace.note(|| format!("Redis is frozen for {time:?}"));
        self.frozen_until = Instant::now() + time;
        self.troubles.note_silence(self.frozen_until);
    }

    /// Every connection is lost and nobody can connect for a while. The data stays.
    pub(crate) fn go_down(&mut self, time: Duration) {
        self.trace.note(|| format!("Redis is down for {time:?}"));
        self.down_until = Instant::now() + time;
        self.troubles.note_silence(self.down_until);
        self.cut(true);
    }

    /// The replica catches up.
    pub(crate) fn replicate(&mut self) {
        self.replica = (self.data.clone(), self.record.ends());
    }

    /// The replica becomes the primary. What it had not copied is lost. Its clock is another one.
    pub(crate) fn fail_over(&mut self, time: Duration) {
        self.show_all();
        let before = std::mem::take(&mut self.data);
        let (data, ends) = self.replica.clone();
        for (name, end) in self.record.ends() {
            let key = key_of(&name);
            let had = before.streams.get(&key).map(Stream::identity);
            let has = data.streams.get(&key).map(Stream::identity);
            // What was deleted since it was copied comes back, too, and what was stored and deleted since has never been.
            if had != has || ends.get(&name) != Some(&end) {
                self.record.replace(&name, ends.get(&name).copied());
            }
        }
        self.data = data;
        self.look_at_own_log();
        self.revoked.note_set_back();
        let apart = i64::try_from(self.rng.number() % 3000).unwrap_or(0);
        let ahead = if self.nature.turns_back { -10 * apart } else { 2 + apart };
        self.set_clock(ahead);
        self.trace.note(|| format!("the replica, {ahead} ms ahead, takes over; what it had not copied is lost"));
        self.replicate();
        self.go_down(time);
    }

    /// Tells the record which revocations the log holds now.
    pub(super) fn look_at_own_log(&self) {
        let log = self.data.streams.get(OWN_LOG);
        self.revoked.keep(&log.map_or_else(Vec::new, |log| log.entries.iter().map(|(id, _)| *id).collect()));
    }

    /// Tells the record what every stream has now.
    pub(crate) fn show_all(&self) {
        self.data.streams.iter().for_each(|(key, stream)| stream.show(key, &self.record));
    }

    /// Loses one entry to `XDEL`, the oldest ones to a trim, or the whole stream.
    pub(crate) fn destroy(&mut self, name: &str, how: Destruction) {
        let key = format!("{PREFIX}{name}");
        let length = self.data.streams.get(&key).map_or(0, |stream| stream.entries.len());
        self.trace.note(|| format!("{how:?} of {name}, which holds {length} entries"));
        match how {
            Destruction::Retract if length > 0 => {
                let index = self.rng.below(length);
                self.data.retract(&key, index, &self.record);
            }
            Destruction::Retract => {}
            Destruction::Trim => {
                let keep = self.rng.below(length + 1);
                self.data.trim(&key, keep, &self.record);
            }
            Destruction::Evict => self.data.remove(&key, IncarnationEnd::Expired, &self.record),
            Destruction::EvictUnseen => self.data.remove(&key, IncarnationEnd::CutShort, &self.record),
            Destruction::Delete => self.data.remove(&key, IncarnationEnd::Deleted, &self.record),
            Destruction::FlushAll => {
                let keys: Vec<_> = self.data.streams.keys().cloned().collect();
                keys.iter().for_each(|key| self.data.remove(key, IncarnationEnd::Flushed, &self.record));
                self.data.strings.clear();
                self.data.hashes.clear();
                self.data.sets += 1;
                self.look_at_own_log();
                self.revoked.note_set_back();
            }
        }
        // Ids of a stream that is made anew are others, as everywhere but within one millisecond, and may be lower.
        let ahead = match how {
            Destruction::FlushAll if self.nature.turns_back => {
                -1 - i64::try_from(self.rng.number() % 20_000).unwrap_or(0)
            }
            _ => 2,
        };
        self.set_clock(ahead);
    }
}
