//! A client with habits: it stays, is restless, reads slowly, vanishes, or stays away for long.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{Client, Subscribe, Vanished, pace};
use fanfare_oracle::{ConnectionEnd, Observed};

use crate::action::{CHANNELS, channel};
use crate::bounds::SERVED_WITHIN;
use crate::client_trace::ClientTrace;
use crate::dice::Dice;
use crate::payload;
use crate::published_record::now_ms;
use crate::run::Run;
use crate::tokens;
use crate::world::MAX_BEHIND_MS;

/// What a client does when it has read for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Stays until it is cut.
    Steady,
    /// Hangs up or resets, and comes back soon.
    Restless,
    /// Reads a few bytes at a time for some seconds, or over HTTP/2 nothing, then everything.
    Slow,
    /// Loses its connection without anybody being told.
    Vanishing,
    /// Stays away until its place may be trimmed.
    Away,
}

/// The longest that a client waits before it reconnects, whatever `retry:` says: an hour of refusals would be an hour of
/// nothing to judge.
const RETRY_MAX: Duration = Duration::from_millis(2500);
/// How long one look for something new takes.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Subscriber<'a> {
    run: &'a Run,
    habit: Habit,
    /// Who it is, for the reader of a report.
    who: String,
    channels: Vec<String>,
    subscribe: Subscribe,
    /// Others may be on its connection.
    is_http2: bool,
    /// How many of the newest entries it asks for, when it has no place.
    newest: Option<u64>,
    client: Client,
    route: SocketAddr,
    dice: Dice,
    trace: ClientTrace,
    /// Traces from before it forgot its place, until they are judged to their ends.
    former: Vec<ClientTrace>,
    /// The connection lost last, still open at the other end.
    vanished: Option<Vanished>,
    /// The names of the last events that are still to come.
    awaited: Vec<String>,
    /// Everything has healed, and nothing is left to do but to wait for them.
    awaits_last_events: bool,
}

impl<'a> Subscriber<'a> {
    pub(crate) fn new(run: &'a Run, index: usize) -> Self {
        let mut dice = Dice::of(run.seed, "subscriber", index);
        let habits =
            [(6, Habit::Steady), (5, Habit::Restless), (3, Habit::Slow), (2, Habit::Vanishing), (3, Habit::Away)];
        let habit = dice.weighted(&habits);
        let count = if dice.once_in(4) { dice.between(2, 6) } else { 1 };
        let mut channels: Vec<String> =
            (0..count).map(|_| channel(tokens::open(dice.below(CHANNELS as u64) as usize))).collect();
        channels.sort();
        channels.dedup();
        let names: Vec<&str> = channels.iter().map(String::as_str).collect();
        let transport = run.transport(index);
        let subscribe = Subscribe::to_all(&names).over(transport);
        // Over HTTP/2 half of the slow ones share connections with others.
        let has_own_socket = habit == Habit::Slow && (!transport.is_http2() || dice.once_in(2));
        let subscribe = if has_own_socket { subscribe.receive_buffer(4096) } else { subscribe };
        // Some want what there was before they came, which counts until they have a place.
        let newest = dice.once_in(4).then(|| dice.between(1, 60));
        let subscribe = newest.iter().fold(subscribe, |subscribe, count| subscribe.query("last", &count.to_string()));
        // Some of the clients come over a line that fails.
        let route = if dice.once_in(3) { run.clients } else { run.balancer };
        let awaited = channels.iter().map(|channel| payload::last(channel)).collect();
        let wants = newest.map_or(String::new(), |count| format!(", last={count}"));
        let who = format!("client {index} ({habit:?}, {}{wants})", names.join(" "));
        let trace = ClientTrace::new(who.clone(), &channels, newest, MAX_BEHIND_MS);
        let client = Client::new(subscribe.clone());
        let (vanished, former, awaits_last_events) = (None, Vec::new(), false);
        Self {
            run,
            habit,
            who,
            channels,
            subscribe,
            is_http2: transport.is_http2(),
            newest,
            client,
            route,
            dice,
            trace,
            former,
            vanished,
            awaited,
            awaits_last_events,
        }
    }

    /// Lives until the last event of each channel has come, or the deadline.
    pub(crate) fn run(mut self) {
        // They do not all come at once.
        pace(Duration::from_millis(self.dice.below(2500)));
        while !self.run.last_events.load(Ordering::Acquire) {
            self.visit();
            self.act();
        }
        self.vanished = None;
        self.awaits_last_events = true;
        let since = Instant::now();
        while !self.awaited.is_empty() && since.elapsed() < SERVED_WITHIN {
            if !self.client.connected() {
                self.connect();
            }
            self.read_for(Duration::from_secs(1));
            // A gap or a first position may have led it past a last event, which then does not come.
            let (trace, ledger) = (&self.trace, &self.run.record.ledger);
            self.awaited.retain(|name| !trace.has_passed(ledger, name));
        }
        self.run.counters.served_ms.most(since.elapsed().as_millis() as u64);
        self.client.disconnect();
        self.judge_all();
        for name in &self.awaited {
            self.trace.silent(&self.run.record.ledger, &self.run.counters, payload::channel(name));
        }
    }

    /// Connects if need be, and reads for a while.
    fn visit(&mut self) {
        if !self.client.connected() && !self.connect() {
            return;
        }
        if self.habit == Habit::Slow {
            let time = Duration::from_millis(self.dice.between(2_000, 8_000));
            if self.is_http2 && self.dice.once_in(2) {
                self.stall(time);
            } else {
                self.sip(time);
            }
        }
        let time = self.dice.between(500, 6_000);
        self.read_for(Duration::from_millis(time));
    }

    fn connect(&mut self) -> bool {
        let place = self.client.last_event_id().to_owned();
        self.run.counters.connects.add(1);
        self.run.counters.newest.add(u64::from(place.is_empty() && self.newest.is_some()));
        let asked = now_ms();
        match self.client.connect(self.route) {
            Ok(()) => self.trace.connected(asked, &place, &self.run.counters),
            Err(error) => {
                self.run.counters.ending(format!("no connection: {}", error.kind()));
                pace(Duration::from_millis(200));
            }
        }
        self.client.connected()
    }

    /// Reads everything that comes.
    fn read_for(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while self.client.connected() && Instant::now() < deadline && !self.must_stop() && !self.is_done() {
            self.look();
        }
        self.judge();
    }

    /// Reads little at a time, so that the buffers on the way fill up.
    fn sip(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        self.client.limit_reads(256);
        while self.client.connected() && Instant::now() < deadline && !self.must_stop() {
            self.look();
            pace(Duration::from_millis(100));
        }
        if self.client.connected() {
            self.client.limit_reads(64 * 1024);
        }
    }

    /// Reads nothing, so that its stream gives no window, while streams beside it go on.
    fn stall(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.must_stop() {
            self.judge();
            pace(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// One observation, if there is one; judges now and then.
    fn look(&mut self) {
        let Some(observed) = self.client.next(LOOK) else { return self.judge() };
        self.trace.observed(now_ms(), &observed, &self.run.counters);
        match &observed {
            Observed::Event(event) => {
                let name = payload::name_in(&event.data);
                self.awaited.retain(|awaited| awaited != name);
            }
            Observed::Ended(ending) => self.ended(ending),
            _ => {}
        }
        self.client.forget();
        if self.trace.waits() > 2_000 {
            self.judge();
        }
    }

    fn ended(&mut self, ending: &ConnectionEnd) {
        if let ConnectionEnd::Violation(what) = ending {
            self.trace.breach(&self.run.counters, &format!("the response breaks its protocol: {what}"));
        }
        self.run.counters.ending(match ending {
            // Harmless, and worth a look: the last chunk told that nothing is missing.
            ConnectionEnd::Clean if self.client.ended_unannounced() => {
                "ended by the node without close_notify".to_owned()
            }
            ConnectionEnd::Clean => "ended by the node".to_owned(),
            ConnectionEnd::Cut { .. } => "cut".to_owned(),
            ConnectionEnd::Reset(_) => "reset".to_owned(),
            ConnectionEnd::Status(status) => format!("refused with status {status}"),
            other => format!("{other:?}"),
        });
        self.judge();
        let asked = self.client.retry().unwrap_or(RETRY_MAX).min(RETRY_MAX);
        let asked = if self.awaits_last_events { asked.min(Duration::from_millis(500)) } else { asked };
        pace(asked);
    }

    fn judge(&mut self) {
        self.judge_until(self.run.record.horizon_ms());
    }

    /// Judges what is left once it is known what had been published by then: a client may see an event before its publisher
    /// has heard of it.
    fn judge_all(&mut self) {
        let (left_ms, since) = (now_ms(), Instant::now());
        while self.run.record.horizon_ms() <= left_ms && since.elapsed() < SERVED_WITHIN {
            pace(LOOK);
        }
        self.judge_until(u64::MAX);
    }

    fn judge_until(&mut self, horizon_ms: u64) {
        let (record, counters) = (&self.run.record, &self.run.counters);
        for trace in self.former.iter_mut().chain([&mut self.trace]) {
            trace.judge(&record.ledger, counters, horizon_ms);
        }
        self.former.retain(|trace| trace.waits() > 0);
    }

    /// Forgets its place, as a page that is loaded again does.
    fn begin_anew(&mut self) {
        self.client = Client::new(self.subscribe.clone());
        let trace = ClientTrace::new(self.who.clone(), &self.channels, self.newest, MAX_BEHIND_MS);
        self.former.push(std::mem::replace(&mut self.trace, trace));
    }

    /// Whether the last events are due while the client still does something else.
    fn must_stop(&self) -> bool {
        self.run.last_events.load(Ordering::Acquire) && !self.awaits_last_events
    }

    fn is_done(&self) -> bool {
        self.awaits_last_events && self.awaited.is_empty()
    }

    fn act(&mut self) {
        let away = match self.habit {
            Habit::Steady => return,
            Habit::Slow | Habit::Restless => self.dice.weighted(&[(4, 10), (3, 200), (1, 1_500)]),
            Habit::Vanishing => self.dice.between(10, 1_000),
            Habit::Away => self.dice.weighted(&[(2, 3_000), (2, 8_000), (1, 20_000), (1, 45_000)]),
        };
        match self.habit {
            Habit::Vanishing => self.vanished = self.client.vanish(),
            // A connection of several streams is reset as a whole, which happens more rarely than that one of them is.
            _ if self.dice.once_in(if self.is_http2 { 6 } else { 2 }) => self.client.abort(),
            _ => self.client.disconnect(),
        }
        self.client.forget();
        if self.dice.once_in(10) {
            self.begin_anew();
        }
        let until = Instant::now() + Duration::from_millis(away);
        while Instant::now() < until && !self.run.last_events.load(Ordering::Acquire) {
            self.judge();
            pace(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
