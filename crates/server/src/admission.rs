//! Who gets in: bounds on connections, and what the refused are told.
//!
//! Every accepted socket carries a [`SocketPermit`] from the accept call to its end, and every session a [`SessionPermit`]
//! beside. A socket above a limit is not reset: up to
//! [`AdmissionOptions::headroom`] of them are served long enough to be told (a browser that meets anything but a stream gives up
//! for ever). Beyond that they are dropped unread, so that refusing costs a bounded amount too.

mod address;
mod counts;
mod load;
mod permit;
mod rate;
mod retry;
mod silent;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use fanfare_log::Random;
use fanfare_protocol::limits::{CONNECTIONS_PER_ADDRESS_HEADROOM, REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX};
use tokio::time::Instant;
use tracing::warn;

pub(crate) use address::payer;
#[cfg(test)]
pub(crate) use permit::SocketPlace;
pub(crate) use permit::{SessionPermit, SocketPermit};
pub(crate) use silent::Excess;

pub(crate) use address::AddressKey;

use counts::Counts;
use load::Load;
use permit::AddressPlace;
use rate::Rate;
use retry::RetryTable;
use silent::SilentCount;

use crate::client_address::Source;
use crate::options::AdmissionOptions;

/// Why a subscription, or a socket, was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The node is draining.
    Draining,
    /// `max_connections` are open.
    Connections,
    /// `per_address` connections are open from this address, or streams if they come through a trusted proxy.
    Address,
    /// More than `connects_per_second` subscriptions were asked for.
    Rate,
    /// The channels could not be opened in time.
    Unavailable,
    /// Above a limit and its headroom: the socket was dropped unread.
    Overflow,
    /// Only trusted proxies are served (`server.proxy_protocol`), and the peer is none: the socket was dropped unread.
    Untrusted,
    /// More than `max_silent` or `silent_per_address` sockets, or half of the places, had no request under way: the oldest was closed.
    Silent,
}

impl Reason {
    /// Every reason, in the order of its counters.
    pub const ALL: [Self; 8] = [
        Self::Draining,
        Self::Connections,
        Self::Address,
        Self::Rate,
        Self::Unavailable,
        Self::Overflow,
        Self::Untrusted,
        Self::Silent,
    ];

    /// As metrics and logs name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Connections => "connections",
            Self::Address => "address",
            Self::Rate => "rate",
            Self::Unavailable => "unavailable",
            Self::Overflow => "overflow",
            Self::Untrusted => "untrusted",
            Self::Silent => "silent",
        }
    }

    /// Whether it is about this client rather than the node. Otherwise another node may take the client at once, and a balancer
    /// that asks the next one after a 503 does right.
    pub(crate) const fn is_about_the_client(self) -> bool {
        matches!(self, Self::Address)
    }

    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::Draining => "This node is shutting down; another node will take the connection.",
            Self::Connections => "This node serves as many connections as it may.",
            Self::Address => "Too many connections are open from this address.",
            Self::Rate => "Too many subscriptions arrive at this node at once.",
            Self::Unavailable => "The channels could not be opened in time.",
            Self::Overflow => "Far too many connections.",
            Self::Untrusted => "Only trusted proxies are served here.",
            Self::Silent => "Too many connections have no request under way.",
        }
    }
}

/// A refusal and how long to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// When to come back, jittered: 5 to 15 s, and for [`Reason::Address`] longer while the address goes on being refused.
    pub retry: Duration,
}

/// The doorkeeper of one node.
#[derive(Debug)]
pub struct Admission {
    options: AdmissionOptions,
    loads: Box<[Arc<Load>]>,
    /// `None`: there is no bound per address.
    addresses: Option<Arc<Counts<AddressKey>>>,
    rate: Option<Rate>,
    silent: SilentCount,
    retries: RetryTable,
    random: Random,
    draining: AtomicBool,
    /// That there are peers which are no trusted proxies was said.
    told_of_strangers: Once,
    arrivals: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Admission {
    /// A doorkeeper for `cores` connection threads. `start` is the zero of its clock.
    #[must_use]
    pub fn new(options: AdmissionOptions, cores: usize, random: Random, start: Instant) -> Self {
        let addresses = options.per_address.map(|_| Arc::default());
        let load = |core| Arc::new(Load::new(core, addresses.clone()));
        Self {
            rate: options.connects_per_second.map(|per_second| Rate::new(per_second, start)),
            silent: SilentCount::new(options.max_silent, options.silent_per_address, options.max_connections),
            options,
            loads: (0..u16::try_from(cores).unwrap_or(u16::MAX).max(1)).map(load).collect(),
            addresses,
            retries: RetryTable::new(start),
            random,
            draining: AtomicBool::new(false),
            told_of_strangers: Once::new(),
            arrivals: AtomicU64::new(0),
            refused: Default::default(),
        }
    }

    /// Takes a place for a socket that was just accepted, on the core with the fewest sockets.
    ///
    /// # Errors
    /// [`Reason::Overflow`] when even refusing politely would cost too much, [`Reason::Untrusted`] when nothing the peer says may
    /// be believed: drop the socket.
    pub fn open(&self, peer: IpAddr) -> Result<SocketPermit, Reason> {
        self.open_on(peer, |_| true)
    }

    /// The same among the cores that take sockets at present; where none does, the first.
    pub(crate) fn open_on(&self, peer: IpAddr, takes: impl Fn(usize) -> bool) -> Result<SocketPermit, Reason> {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        let dropped = |reason| {
            self.count(reason);
            Err(reason)
        };
        if !self.has_room() {
            return dropped(Reason::Overflow);
        }
        let source = self.source(peer);
        if self.options.proxies.protocol && !source.is_proxy {
            self.told_of_strangers.call_once(|| {
                warn!(%peer, "closed a connection: server.proxy_protocol is on, and its peer is not in server.trusted_proxies; \
                      fanfare_refusals_total counts those that follow");
            });
            return dropped(Reason::Untrusted);
        }
        let load = self.least_loaded(takes);
        let Some(address) = self.place_for_socket(load, source) else { return dropped(Reason::Overflow) };
        Ok(SocketPermit::new(load, address, source))
    }

    /// What is known of this address by itself.
    fn source(&self, address: IpAddr) -> Source {
        Source { address, is_proxy: self.options.proxies.trusts(address) }
    }

    /// Puts the client that a PROXY header named in the place of the proxy that sent it. `None`: the header names nobody; the
    /// proxy stays, and what its requests say of other clients may come from anywhere.
    ///
    /// # Errors
    /// As [`Self::open`]: drop the socket.
    pub(crate) fn introduce(&self, socket: &mut SocketPermit, client: Option<IpAddr>) -> Result<(), Reason> {
        let (source, address) = match client.map(|client| self.source(client)) {
            Some(source) => (source, self.place_for_socket(socket.load(), source)),
            None => (Source { is_proxy: false, ..socket.source() }, Some(AddressPlace::none(socket.load()))),
        };
        let Some(address) = address else {
            self.count(Reason::Overflow);
            return Err(Reason::Overflow);
        };
        socket.belongs_to(source, address);
        Ok(())
    }

    /// A place for a socket in the count of its address. `None`: there is no room, not even to be told so. A proxy has as many
    /// sockets as its clients need; their sessions are counted.
    fn place_for_socket(&self, load: &Arc<Load>, source: Source) -> Option<AddressPlace> {
        match self.options.per_address {
            Some(limit) if !source.is_proxy => {
                let most = limit.saturating_add(CONNECTIONS_PER_ADDRESS_HEADROOM);
                AddressPlace::enter(load, AddressKey::of(source.address), most)
            }
            _ => Some(AddressPlace::none(load)),
        }
    }

    /// Decides whether a session of this client may have a place over this socket. That it may be opened, and begin
    /// ([`Self::begin`]), is decided afterwards: who is allowed nothing takes nothing of what others come by.
    ///
    /// # Errors
    /// The refusal, counted.
    pub fn admit(&self, socket: &SocketPermit, client: IpAddr, now: Instant) -> Result<SessionPermit, Refused> {
        if self.is_draining() {
            return Err(self.refuse(Reason::Draining));
        }
        if self.is_full() {
            return Err(self.refuse(Reason::Connections));
        }
        let key = AddressKey::of(client);
        let Some(address) = self.place_for_session(socket, key) else {
            return Err(self.refuse_address(key, now));
        };
        // In a storm nobody is asked about those who could not begin anyway.
        if self.rate.as_ref().is_some_and(|rate| !rate.has_one(now)) {
            return Err(self.refuse(Reason::Rate));
        }
        Ok(socket.session(address))
    }

    /// Decides whether a session that is admitted and allowed may begin now: it counts for `connects_per_second`.
    ///
    /// # Errors
    /// The refusal, counted.
    pub fn begin(&self, now: Instant) -> Result<(), Refused> {
        match &self.rate {
            Some(rate) if !rate.take(now) => Err(self.refuse(Reason::Rate)),
            _ => Ok(()),
        }
    }

    /// A place for a session in the count of its client's address. `None`: there is no room.
    fn place_for_session(&self, socket: &SocketPermit, client: AddressKey) -> Option<AddressPlace> {
        let (Some(limit), Some(addresses)) = (self.options.per_address, &self.addresses) else {
            return Some(AddressPlace::none(socket.load()));
        };
        if socket.counts_address() {
            return (addresses.count(client) <= limit).then(|| AddressPlace::none(socket.load()));
        }
        AddressPlace::enter(socket.load(), client, limit)
    }

    /// Counts a refusal that is not the doing of the refused address, and says for how long. Sessions decide such refusals, too.
    /// Nothing is remembered: an outage, or a rate that all clients of the node share, would count against every one of them.
    pub(crate) fn refuse(&self, reason: Reason) -> Refused {
        self.count(reason);
        Refused { reason, retry: self.retry() }
    }

    /// When to come back, for who is refused through no fault of its own.
    pub(crate) fn retry(&self) -> Duration {
        self.random.between(REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX)
    }

    /// Counts a refusal of an address that has too much open. It stays away for longer each time.
    fn refuse_address(&self, key: AddressKey, now: Instant) -> Refused {
        let reason = Reason::Address;
        self.count(reason);
        let base = self.retries.next(key, now);
        Refused { reason, retry: self.random.between(base, base * 2) }
    }

    /// Refuse every new subscription from now on.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::begin_drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Sockets open now, of every kind.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.loads.iter().map(|load| load.sockets()).sum()
    }

    /// Sockets above which no session may begin.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.options.max_connections
    }

    /// Whether sockets are open that are there only to be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.sockets() > self.options.max_connections
    }

    /// Whether another socket would be accepted, if only to be refused.
    pub(crate) fn has_room(&self) -> bool {
        self.sockets() < self.options.max_connections.saturating_add(self.options.headroom)
    }

    /// Sockets without a request under way now.
    #[must_use]
    pub fn silent(&self) -> usize {
        self.silent.get()
    }

    /// The count behind [`Self::silent`].
    pub(crate) const fn silent_sockets(&self) -> &SilentCount {
        &self.silent
    }

    /// Counts a silent socket that is closed to make room for another.
    pub(crate) fn count_silent(&self) {
        self.count(Reason::Silent);
    }

    /// Sessions now, those included whose channels are not open yet.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.loads.iter().map(|load| load.sessions()).sum()
    }

    /// Sockets accepted since start, those that were dropped unread included.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Relaxed)
    }

    /// Refusals for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    /// How refusals look.
    #[must_use]
    pub fn policy(&self) -> crate::options::RefusalPolicy {
        self.options.refusal
    }

    /// Counts a socket that was accepted only to be closed: the process had no descriptor for it.
    pub(crate) fn count_overflow(&self) {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        self.count(Reason::Overflow);
    }

    fn count(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn least_loaded(&self, takes: impl Fn(usize) -> bool) -> &Arc<Load> {
        let taking = self.loads.iter().filter(|load| takes(usize::from(load.core)));
        // There is at least one.
        taking.min_by_key(|load| load.sockets()).unwrap_or(&self.loads[0])
    }
}

#[cfg(test)]
mod tests;
