//! Who carries out what hostile clients do.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{RawConnection, Transport, pace};

use crate::action::channel;
use crate::attack::{Attack, Wave};
use crate::bounds::GARBAGE_WITHIN;
use crate::dice::Dice;
use crate::node_under_test::NodeUnderTest;
use crate::run::Run;
use crate::tokens;

/// How many waves there are at a time.
pub(crate) const ATTACKERS: usize = 3;
/// Hostile clients come from an address of their own, as strangers do.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
/// Streams of one wave that are open at a time.
const STREAMS: usize = 4;
/// Sockets of a wave that say nothing: more than a node with few descriptors may open files.
const SILENT: usize = 256;
/// Of those that the node has closed, so many connect again at a time.
const SILENT_AGAIN: usize = 32;
/// Channels of one request, the most that a node takes by default.
const NAMES: usize = 64;
/// What is sent after a request: four times what a node takes.
static GARBAGE: [u8; 64 * 1024] = [b'g'; 64 * 1024];
/// Pause between two looks at whether the wave is over, and the time of one read.
const TICK: Duration = Duration::from_millis(50);
/// How long a write may take to a node that does not read.
const WRITES_WITHIN: Duration = Duration::from_secs(1);

pub(crate) struct Attacker<'a> {
    run: &'a Run,
    dice: Dice,
}

impl<'a> Attacker<'a> {
    pub(crate) fn new(run: &'a Run, index: usize) -> Self {
        Self { run, dice: Dice::of(run.seed, "attacker", index) }
    }

    /// Carries out one wave after the other, until publishing ends.
    pub(crate) fn run(mut self) {
        while !self.run.publishing_ends.load(Ordering::Acquire) {
            match self.run.waves.next() {
                Some(wave) => self.carry_out(wave),
                None => pace(TICK),
            }
        }
    }

    fn carry_out(&mut self, wave: Wave) {
        let node = &self.run.nodes[wave.node];
        let until = Instant::now() + wave.length;
        match wave.attack {
            Attack::Silence => self.silence(node, until),
            Attack::Garbage => self.garbage(node),
            _ => {
                while !self.is_over(until) {
                    let visit = (Instant::now() + self.visit(wave.attack)).min(until);
                    let requests = self.requests(wave.attack);
                    let streams = requests.iter().map_while(|request| self.ask(wave.attack, node, request).ok());
                    let streams = streams.collect();
                    self.hold(streams, visit);
                }
            }
        }
    }

    /// Whether the wave ends, because its time or that of all faults is over.
    fn is_over(&self, until: Instant) -> bool {
        Instant::now() >= until || self.run.heals.load(Ordering::Acquire)
    }

    fn open(&self, attack: Attack, node: &NodeUnderTest, transport: &Transport) -> io::Result<RawConnection> {
        let opened = RawConnection::open_from(transport, STRANGER, node.address, WRITES_WITHIN);
        match opened {
            Ok(_) => self.run.counters.stranger(attack.words()),
            // A node that is away is not there for anybody.
            Err(_) => pace(TICK),
        }
        opened
    }

    fn ask(&self, attack: Attack, node: &NodeUnderTest, request: &str) -> io::Result<RawConnection> {
        let mut stream = self.open(attack, node, self.run.transport(0))?;
        stream.send(request.as_bytes())?;
        Ok(stream)
    }

    /// Says nothing, and connects again whenever the node has had enough of it. Over TLS half of the sockets do not even say what a handshake
    /// begins with, and the others nothing after it.
    fn silence(&self, node: &NodeUnderTest, until: Instant) {
        let transport =
            |number: usize| if number.is_multiple_of(2) { &Transport::Plain } else { self.run.transport(number) };
        let open = |number| self.open(Attack::Silence, node, transport(number)).ok();
        let mut sockets: Vec<RawConnection> = (0..SILENT).map_while(open).collect();
        while !self.is_over(until) {
            sockets.retain_mut(|socket| !socket.discard(Duration::from_millis(1)));
            let missing = SILENT.saturating_sub(sockets.len()).min(SILENT_AGAIN);
            sockets.extend((0..missing).map_while(open));
            pace(TICK);
        }
    }

    /// Keeps connections open and takes what comes, until then.
    fn hold(&self, mut connections: Vec<RawConnection>, until: Instant) {
        while !self.is_over(until) {
            connections.retain_mut(|connection| !connection.discard(Duration::from_millis(1)));
            pace(TICK);
        }
    }

    /// How long a hostile client stays before it comes again.
    fn visit(&mut self, attack: Attack) -> Duration {
        Duration::from_millis(match attack {
            Attack::Newest | Attack::OldPositions => self.dice.between(300, 1_500),
            _ => self.dice.between(50, 400),
        })
    }

    fn requests(&mut self, attack: Attack) -> Vec<String> {
        let channels: Vec<String> = tokens::open_channels().collect();
        match attack {
            Attack::Newest => vec![request(&channels, "&last=1000", ""); STREAMS],
            Attack::OldPositions => {
                channels.iter().map(|channel| request(std::slice::from_ref(channel), "", "1-0")).collect()
            }
            _ => {
                let kind = if attack == Attack::RefusedNames { "closed" } else { "free" };
                let mut name = || format!("{kind}:{}", self.dice.below(u64::MAX));
                (0..STREAMS).map(|_| request(&(0..NAMES).map(|_| name()).collect::<Vec<_>>(), "", "")).collect()
            }
        }
    }

    /// Sends more than a node takes, and expects that it ends the stream.
    fn garbage(&self, node: &NodeUnderTest) {
        let life = node.life();
        let request = request(&[channel(0)], "", "");
        let ask = |_| self.ask(Attack::Garbage, node, &request).ok();
        let mut streams: Vec<RawConnection> = (0..STREAMS).map_while(ask).collect();
        // What ends before all of it has been sent has ended.
        streams.retain_mut(|stream| stream.send(&GARBAGE).is_ok());
        let until = Instant::now() + GARBAGE_WITHIN;
        while !streams.is_empty() && !self.is_over(until) {
            streams.retain_mut(|stream| !stream.discard(TICK));
        }
        if !streams.is_empty() && Instant::now() >= until && life.is_some() && node.life() == life {
            let open = streams.len();
            let size = GARBAGE.len();
            self.run.counters.breach(|| {
                format!("{open} streams went on for {GARBAGE_WITHIN:?} after their clients had sent {size} bytes more")
            });
        }
    }
}

/// A request for these channels, as bytes of HTTP/1.1.
fn request(channels: &[String], query: &str, place: &str) -> String {
    let channels: Vec<String> = channels.iter().map(|name| format!("channel={name}")).collect();
    let place = if place.is_empty() { String::new() } else { format!("Last-Event-ID: {place}\r\n") };
    let channels = channels.join("&");
    format!("GET /events?{channels}{query} HTTP/1.1\r\nHost: node\r\nAccept: text/event-stream\r\n{place}\r\n")
}
