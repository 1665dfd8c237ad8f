//! The server: its data, its connections and its network.
//!
//! `exchange` takes commands from connections and says what goes back, `commands` runs them, `read_functions` those of the
//! library that only read, `faults` breaks things.

mod commands;
mod exchange;
mod faults;
mod read_functions;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fanfare_oracle::Place;
use fanfare_protocol::EntryId;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use super::connection::Connection;
use super::nature::Nature;
use super::reads::Reads;
use super::records::Records;
use super::resp::Reply;
use super::store::Data;
use super::troubles::Troubles;
use super::turns::Turns;
use super::weather::Weather;
use crate::net::{self, End};
use crate::revoked_record::RevokedRecord;
use crate::rng::Rng;
use crate::stored_record::StoredRecord;
use crate::ticket_record::TicketRecord;
use crate::trace::Trace;
use crate::{NODES, OWN_LOG, PREFIX, WALL_MS};

/// What is said when its memory is full.
const FULL: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// `client-output-buffer-limit pubsub`: a subscriber for whom more bytes wait is cut off.
const SUBSCRIBER_BYTES_MAX: usize = 32 << 20;

/// A server, its connections and its network.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) nature: Nature,
    pub(crate) weather: Weather,
    began: Instant,
    /// How far its clock is ahead of the machine's, in milliseconds.
    skew: i64,
    /// The same since when, in order.
    skews: Vec<(Instant, i64)>,
    data: Data,
    /// What a replica has, and up to where in each channel's record that is.
    replica: (Data, BTreeMap<String, Place>),
    script: bool,
    /// Its memory is full.
    is_full: bool,
    /// The key of the stock that strangers read, and its last entry.
    stock: Option<(String, EntryId)>,
    /// Bytes of data of the stock that each node has asked for and was told.
    asked: [usize; NODES],
    /// The most reads of entries of each node that were on their way at a time.
    reading: [usize; NODES],
    /// How long commands are on their way.
    far: Option<Duration>,
    turns: Turns,
    /// The node that asks now.
    asking: usize,
    reads: Reads,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Streams that were dialled and that nobody serves yet.
    dialled: Vec<(u64, End)>,
    /// Nobody can connect until then.
    down_until: Instant,
    /// Nothing moves until then.
    frozen_until: Instant,
    troubles: Troubles,
    record: StoredRecord,
    revoked: RevokedRecord,
    tickets: TicketRecord,
    rng: Rng,
    /// For what only some worlds have.
    apart: Rng,
    trace: Trace,
}

impl Server {
    pub(crate) fn new(
        nature: Nature,
        weather: Weather,
        Records { stored: record, revoked, tickets }: Records,
        [rng, apart]: [Rng; 2],
        trace: Trace,
    ) -> Self {
        let now = Instant::now();
        let is_punctual = weather.is_punctual() && nature.is_punctual();
        Self {
            nature,
            weather,
            began: now,
            skew: 0,
            skews: vec![(now, 0)],
            data: Data::default(),
            replica: Default::default(),
            script: false,
            is_full: false,
            stock: None,
            asked: [0; NODES],
            reading: [0; NODES],
            far: None,
            turns: Turns::default(),
            asking: 0,
            reads: Reads::default(),
            connections: BTreeMap::new(),
            next_connection: 0,
            dialled: Vec::new(),
            down_until: now,
            frozen_until: now,
            troubles: Troubles::new(now, is_punctual),
            record,
            revoked,
            tickets,
            rng,
            apart,
            trace,
        }
    }

    /// A node connects; its end of the connection. `None`: nobody can connect now.
    pub(crate) fn dial(&mut self, node: usize) -> Option<End> {
        if Instant::now() < self.down_until {
            return None;
        }
        let (ours, theirs) = net::pair(usize::MAX);
        self.next_connection += 1;
        let number = self.next_connection;
        let latency = Duration::from_millis(1) + self.rng.up_to_ms(2);
        let connection = Connection::new(node, format!("n{node} c{number}"), latency, self.nature.bandwidth);
        self.connections.insert(number, connection);
        self.dialled.push((number, ours));
        Some(theirs)
    }

    /// The connections that were dialled and that nobody serves yet.
    pub(crate) fn take_dialled(&mut self) -> Vec<(u64, End)> {
        std::mem::take(&mut self.dialled)
    }

    /// What tells that a connection has something new to do; `None` if it has ended.
    pub(crate) fn changed(&self, number: u64) -> Option<Arc<Notify>> {
        self.connections.get(&number).map(|connection| Arc::clone(&connection.changed))
    }

    /// A connection has ended.
    pub(crate) fn close(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            self.troubles.note_end(connection.node);
        }
    }

    /// Redis `TIME`, in milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        let machine_ms = WALL_MS + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        machine_ms.saturating_add_signed(self.skew)
    }

    /// Sets the clock so many milliseconds ahead.
    fn set_clock(&mut self, ahead_ms: i64) {
        let before = self.now_ms();
        self.skew += ahead_ms;
        self.skews.push((Instant::now(), self.skew));
        self.record.clock_was_set(before, self.now_ms());
    }

    /// The least and the most that its clock has been ahead of the machine's since then, in milliseconds.
    pub(crate) fn skews_since(&self, since: Instant) -> [i64; 2] {
        let before = self.skews.partition_point(|(at, _)| *at <= since).saturating_sub(1);
        let of_then = || self.skews[before..].iter().map(|(_, skew)| *skew);
        [of_then().min().unwrap_or(0), of_then().max().unwrap_or(0)]
    }

    /// How far its clock is behind the latest time that it has shown, at most.
    pub(crate) fn clock_is_behind(&self) -> Duration {
        let most = self.skews.iter().map(|(_, skew)| *skew).max().unwrap_or(0);
        Duration::from_millis(u64::try_from(most - self.skew).unwrap_or(0))
    }

    /// Whether it holds a text with this key.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.data.strings.get(key).is_some_and(|(_, expires)| expires.is_none_or(|at| at > self.now_ms()))
    }

    /// What a channel's stream holds now is the stock: of what it gets later nobody has to ask.
    pub(crate) fn note_stock(&mut self, channel: &str) {
        let last = self.ids_of(channel).last().copied();
        self.stock = last.map(|last| (format!("{PREFIX}{channel}"), last));
    }

    fn is_of_stock(&self, key: &str, id: EntryId) -> bool {
        self.stock.as_ref().is_some_and(|(stock, last)| stock == key && id <= *last)
    }

    /// Bytes of data of the stock that this node has asked for and was told.
    /// And the most reads of entries that it had under way at a time since Redis is far.
    pub(crate) fn asked_by(&self, node: usize) -> [usize; 2] {
        [self.asked[node], self.reading[node]]
    }

    /// From now on commands take so long on their way, but for those of subscribers, and who waits for whom is counted; or no longer.
    pub(crate) fn go_far(&mut self, time: Option<Duration>) {
        self.trace.note(|| format!("commands are {time:?} on their way"));
        self.far = time;
    }

    /// Forgets the strangers' channels whose tips went before the one of the quiet channel, and returns the number.
    pub(crate) fn take_tips_before(&mut self) -> usize {
        self.turns.take()
    }

    /// The ids of the entries that a channel's stream holds.
    pub(crate) fn ids_of(&self, channel: &str) -> Vec<EntryId> {
        let stream = self.data.streams.get(&format!("{PREFIX}{channel}"));
        stream.map_or_else(Vec::new, |stream| stream.entries.iter().map(|(id, _)| *id).collect())
    }

    /// How long a channel's stream has still to live, if that is known.
    pub(crate) fn expires_in(&self, channel: &str) -> Option<Duration> {
        let expires = self.data.streams.get(&format!("{PREFIX}{channel}"))?.expires?;
        Some(Duration::from_millis(expires.saturating_sub(self.now_ms())))
    }

    /// The connections on which all nodes hear of a channel; `None` if one does not, or if any of their connections is not well.
    pub(crate) fn all_hear(&self, channel: &str) -> Option<Vec<u64>> {
        let (now, key) = (Instant::now(), Bytes::from(format!("{PREFIX}{channel}")));
        if !self.is_up() || !self.connections.values().all(|connection| connection.is_well(now)) {
            return None;
        }
        let of = |node| {
            let is_it = |connection: &Connection| connection.node == node && connection.subscribed.contains(&key);
            self.connections.iter().find(|(_, connection)| is_it(connection)).map(|(number, _)| *number)
        };
        (0..NODES).map(of).collect()
    }

    /// Whether a connection has been there, and all that was said on it has arrived at once, since then: milliseconds since the world began.
    pub(crate) fn is_heard_since(&self, number: u64, since_ms: u64) -> bool {
        let since = self.began + Duration::from_millis(since_ms);
        let is_whole = |connection: &Connection| connection.cut.is_none() && connection.trouble.mute_until <= since;
        self.connections.get(&number).is_some_and(is_whole) && self.troubles.of_all_until <= since
    }

    /// Whether all commands of a node have been answered at once since then, and none of its connections was lost.
    pub(crate) fn answers_in_time_since(&self, node: usize, since_ms: u64) -> bool {
        let since = self.began + Duration::from_millis(since_ms);
        let of_node = || self.connections.values().filter(|connection| connection.node == node);
        let is_whole = |connection: &Connection| connection.cut.is_none() && connection.trouble.any_until <= since;
        self.troubles.has_lost_none_since(node, since) && self.troubles.of_all_until <= since && of_node().all(is_whole)
    }

    /// How often the nodes read one and the same range within one second, at most, beyond what messages asked them to.
    pub(crate) fn most_reads(&self) -> usize {
        self.reads.most()
    }

    /// Whether publishers and administrators get an answer.
    pub(crate) fn is_up(&self) -> bool {
        Instant::now() >= self.down_until.max(self.frozen_until)
    }

    /// `PUBLISH`, with the weather's losses and repetitions.
    fn publish(&mut self, channel: &Bytes, message: &Bytes) -> Reply {
        let push =
            Reply::Push(vec![Reply::text("message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())]);
        let mut bytes = Vec::new();
        push.encode(&mut bytes);
        let now = Instant::now();
        let is_of_own_log = channel == OWN_LOG;
        // What a node hears of its own logs has nothing that shows a loss but the end of its connection.
        let is_sure = is_of_own_log || channel.windows(7).any(|part| part == b"$probe:");
        let mut receivers = 0;
        let Self { connections, weather, rng, apart, nature, trace, revoked, reads, .. } = self;
        let name = String::from_utf8_lossy(channel);
        let key = name.rsplit_once("__:").map_or(&*name, |(_, key)| key);
        for (number, connection) in
            connections.iter_mut().filter(|(_, connection)| connection.subscribed.contains(channel))
        {
            receivers += 1;
            let is_mute = weather.refuses_reads && !message.is_empty();
            if !is_sure && (rng.chance(weather.lost_pushes) || is_mute) {
                trace.note(|| format!("the push on {} to {} is lost", channel.escape_ascii(), connection.name));
                continue;
            }
            let late = if rng.chance(weather.late) { rng.up_to_ms(300) } else { Duration::ZERO };
            let lags = nature.feed_lag_ms > 0 && apart.chance(400);
            let late = late + if lags { apart.up_to_ms(nature.feed_lag_ms) } else { Duration::ZERO };
            let arrives = connection.say(now + late, bytes.clone());
            reads.ring(key, arrives);
            if is_of_own_log {
                revoked.tell(connection.node, *number, arrives);
            }
            if !is_sure && rng.chance(weather.doubled_pushes) {
                reads.ring(key, connection.say(now + late, bytes.clone()));
            }
            if !is_sure && rng.chance(weather.swapped_pushes) {
                connection.swap_last();
            }
            if connection.waiting > SUBSCRIBER_BYTES_MAX {
                trace.note(|| format!("{} does not read fast enough and is cut off", connection.name));
                connection.cut = Some(0);
            }
        }
        Reply::Number(receivers)
    }
}
