//! A publisher that never stops, and finds out what became of each event.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{key, pace};
use fanfare_oracle::resp::{Connection, Reply};
use fanfare_oracle::{Entry, EntryId};

use crate::action::{CHANNELS, channel};
use crate::bounds::RECOVERY;
use crate::dice::Dice;
use crate::outgoing_event::OutgoingEvent;
use crate::payload::{self, EVENT_BYTES, PUSHED_BYTES};
use crate::publish_method::PublishMethod;
use crate::publisher_connection::{Outcome, PublisherConnection};
use crate::run::Run;

/// The channel whose stream expires. Only `expiring` writes to it.
pub(crate) const EXPIRING: usize = CHANNELS - 1;
/// The channel that only plain producers write to, so that nothing there names its predecessor.
const BARE: usize = CHANNELS - 2;
/// The channel with large events.
const HEAVY: usize = CHANNELS - 3;
/// Attempts at one event before the publisher asks Redis instead.
const ATTEMPTS: usize = 8;

/// About how many entries the stream of a channel keeps; some less than clients stay away for.
fn maxlen(seed: u64, channel: usize) -> u64 {
    *Dice::of(seed, "maxlen", channel).pick(&[30, 100, 400])
}

pub(crate) struct Producer<'a> {
    run: &'a Run,
    index: usize,
    connection: PublisherConnection,
    dice: Dice,
    number: u64,
}

impl<'a> Producer<'a> {
    pub(crate) fn new(run: &'a Run, index: usize) -> Self {
        let connection = PublisherConnection::new(run.publishers, run.balancer, run.transport(index));
        Self { run, index, connection, dice: Dice::of(run.seed, "producer", index), number: 0 }
    }

    /// Publishes until it is told to stop.
    pub(crate) fn run(mut self) {
        while !self.run.publishing_ends.load(Ordering::Relaxed) {
            let burst = if self.dice.once_in(150) { self.dice.between(20, 120) } else { 1 };
            let channel = self.dice.below(EXPIRING as u64) as usize;
            for _ in 0..burst {
                self.one(channel);
            }
            pace(Duration::from_millis(self.dice.between(10, 110)));
        }
    }

    fn one(&mut self, index: usize) {
        let method = match index {
            BARE => *self.dice.pick(&[PublishMethod::Plain, PublishMethod::Transaction]),
            _ => *self.dice.pick(&PublishMethod::ALL),
        };
        let mut length = match index {
            HEAVY => self.large(),
            _ => self.dice.between(40, 300) as usize,
        };
        if matches!(method, PublishMethod::Plain | PublishMethod::Function) && self.dice.once_in(400) {
            length = EVENT_BYTES + 1;
        }
        let (channel, maxlen) = (channel(index), maxlen(self.run.seed, index).to_string());
        self.number += 1;
        let name = payload::name(&channel, self.index, self.number, length);
        let data = payload::data(&name);
        if self.dice.once_in(60) {
            self.ephemeral(&channel);
        }
        self.publish(method, &OutgoingEvent { channel, name, data, maxlen, ttl: None });
    }

    /// The length of an event on the channel with large ones. One in sixty is large: enough for every way that nodes have,
    /// and less than a megabyte a second.
    fn large(&mut self) -> usize {
        let (pushed, most) = (PUSHED_BYTES as u64, EVENT_BYTES as u64);
        let (low, high) = self.dice.weighted(&[
            (236, (1_000, 20_000)),
            (2, (pushed - 1_000, pushed)),
            (1, (pushed + 1, most)),
            (1, (most - 1_000, most)),
        ]);
        self.dice.between(low, high) as usize
    }

    /// Publishes an event of a stream that expires.
    pub(crate) fn one_with_ttl(&mut self, index: usize, seconds: &'static str) {
        let method = *self.dice.pick(&[PublishMethod::Function, PublishMethod::Script, PublishMethod::Deduplicated]);
        let (channel, maxlen) = (channel(index), maxlen(self.run.seed, index).to_string());
        self.number += 1;
        let name = payload::name(&channel, self.index, self.number, 100);
        let data = payload::data(&name);
        self.publish(method, &OutgoingEvent { channel, name, data, maxlen, ttl: Some(seconds) });
    }

    /// Publishes one event and records what became of it.
    pub(crate) fn publish(&mut self, method: PublishMethod, event: &OutgoingEvent) {
        let record = &self.run.record;
        let _hold = record.hold_judging();
        let mut begun_in: Option<(usize, u64)> = None;
        for _ in 0..ATTEMPTS {
            let open = record.publishing();
            let now = self.stream_of(event);
            match self.connection.send(method, event) {
                Outcome::Published(id) => {
                    self.record(method, event, id);
                    self.run.counters.published(method);
                    if let Some((incarnation, _)) = begun_in {
                        // An earlier attempt may have been in the stream before it was replaced or lost its end, or may
                        // still be on its way and arrive when nobody remembers this one.
                        record.ledger.with(&event.channel, |history| history.doubt(incarnation, &event.name));
                    }
                    return;
                }
                Outcome::Refused(reason) if begun_in.is_none() => return self.run.counters.refused(&reason),
                Outcome::Refused(_) => {}
                Outcome::Unanswered => begun_in = begun_in.or(Some(now)),
            }
            drop(open);
            if !method.is_repeatable() {
                break;
            }
            pace(Duration::from_millis(self.dice.between(50, 400)));
        }
        if let Some(begun_in) = begun_in {
            self.find_out(method, event, begun_in);
        }
    }

    /// Which stream the channel has now: its incarnation, and how often Redis has restarted. A restart may lose an entry of
    /// which nobody was told, and then nothing tells that the stream is another one.
    fn stream_of(&self, event: &OutgoingEvent) -> (usize, u64) {
        let record = &self.run.record;
        (record.ledger.with(&event.channel, |history| history.present()), record.restarts())
    }

    fn record(&self, method: PublishMethod, event: &OutgoingEvent, id: EntryId) {
        let too_large = payload::is_too_large(&event.name);
        let entry = Entry { too_large, bare: method.is_bare(), ..Entry::new(id, event.name.as_str()) };
        self.run.record.ledger.with(&event.channel, |history| {
            let incarnation = history.incarnation_of(entry.id);
            history.insert(incarnation, entry);
        });
    }

    /// Asks Redis what became of an event whose publisher got no answer; waits for as long as Redis is away.
    fn find_out(&mut self, method: PublishMethod, event: &OutgoingEvent, begun_in: (usize, u64)) {
        let record = &self.run.record;
        let doubt = || record.ledger.with(&event.channel, |history| history.doubt(begun_in.0, &event.name));
        let deadline = Instant::now() + Duration::from_secs(120);
        while Instant::now() < deadline {
            let open = record.publishing();
            if let Ok(found) = self.look_up(event) {
                let now = self.stream_of(event);
                if let Some(id) = found {
                    self.record(method, event, id);
                }
                if found.is_none() || now != begun_in || method.is_repeatable() {
                    // It was trimmed meanwhile, lost, or has not arrived. Whoever sees it tells.
                    doubt();
                }
                self.run.counters.lost.add(u64::from(found.is_none() && now.0 != begun_in.0));
                return self.run.counters.unanswered.add(1);
            }
            drop(open);
            pace(Duration::from_millis(100));
        }
        doubt();
    }

    fn look_up(&self, event: &OutgoingEvent) -> std::io::Result<Option<EntryId>> {
        let mut redis = Connection::open_with(self.run.redis, Duration::from_millis(1500))?;
        if let Some(id) = self.connection.client_id() {
            // What is still on its way in a held connection would otherwise arrive after we have looked.
            redis.try_command(&[b"CLIENT", b"KILL", b"ID", id.to_string().as_bytes()])?;
        }
        let entries = entries(&mut redis, &event.channel)?;
        Ok(entries.into_iter().find(|(_, name)| *name == event.name).map(|(id, _)| id))
    }

    fn ephemeral(&self, channel: &str) {
        let publish = || -> std::io::Result<Reply> {
            let mut redis = Connection::open_with(self.run.redis, Duration::from_millis(300))?;
            let text = format!("{}hello", payload::EPHEMERAL);
            redis.try_command(&[b"PUBLISH", key(channel).as_bytes(), text.as_bytes()])
        };
        // Whether it arrives is nobody's business.
        let _ = publish();
    }
}

/// Publishes the last event of every channel.
pub(crate) fn publish_last_events(run: &Run) {
    let mut producer = Producer::new(run, usize::MAX);
    for channel in (0..CHANNELS).map(channel) {
        let name = payload::last(&channel);
        let event = OutgoingEvent { data: payload::data(&name), channel, name, maxlen: "100".to_owned(), ttl: None };
        let published = || !run.record.ledger.with(&event.channel, |history| history.places(&event.name)).is_empty();
        let deadline = Instant::now() + RECOVERY;
        while !published() && Instant::now() < deadline {
            producer.publish(PublishMethod::Deduplicated, &event);
        }
        if !published() {
            run.counters.breach(|| format!("Redis took no event for {RECOVERY:?} after everything had healed"));
        }
    }
}

/// The ids and names of everything that a stream holds now. An error reply is an error.
pub(crate) fn entries(redis: &mut Connection, channel: &str) -> std::io::Result<Vec<(EntryId, String)>> {
    let reply = redis.try_command(&[b"XRANGE", key(channel).as_bytes(), b"-", b"+"])?;
    let Reply::Array(entries) = reply else { return Err(std::io::Error::other(format!("{reply:?}"))) };
    let read = |entry: &Reply| {
        let [id, fields] = entry.array() else { return None };
        let data = fields.array().get(1)?.text();
        Some((id.text().parse().ok()?, payload::name_in(&data).to_owned()))
    };
    Ok(entries.iter().filter_map(read).collect())
}
