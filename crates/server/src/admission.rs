//! Who gets in: bounds on connections, and what the refused are told.
//!
//! Every accepted socket carries a [`ConnectionPermit`] from the accept call to its end, also when it becomes a
//! session; dropping it is the only way to give its place back. A socket above a limit is not reset: up to
//! [`CONNECTIONS_HEADROOM`] of them are served long enough to be told (a browser that meets anything but a stream gives up
//! for ever). Beyond that they are dropped unread, so that refusing costs a bounded amount too.

mod address;
mod rate;
mod retry;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fanfare_log::Random;
use fanfare_protocol::limits::{CONNECTIONS_HEADROOM, CONNECTIONS_PER_ADDRESS_HEADROOM};
use tokio::time::Instant;

pub(crate) use address::AddressKey;
use address::Addresses;
use rate::Rate;
use retry::RetryTable;

use crate::options::AdmissionOptions;

/// Why somebody was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The node is draining.
    Draining,
    /// `max_connections` are open.
    Connections,
    /// `per_address` connections are open from this address.
    Address,
    /// More than `connects_per_second` subscriptions were asked for.
    Rate,
    /// The channels could not be opened in time.
    Unavailable,
    /// Above a limit and its headroom: the socket was dropped unread.
    Overflow,
}

impl Reason {
    /// Every reason, in the order of its counters.
    pub const ALL: [Self; 6] =
        [Self::Draining, Self::Connections, Self::Address, Self::Rate, Self::Unavailable, Self::Overflow];

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
        }
    }

    /// Whether it is about this client rather than the node.
    pub(crate) const fn is_about_the_client(self) -> bool {
        matches!(self, Self::Address | Self::Rate)
    }

    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::Draining => "This node is shutting down; another node will take the connection.",
            Self::Connections => "This node serves as many connections as it may.",
            Self::Address => "Too many connections are open from this address.",
            Self::Rate => "Too many connections arrive at once.",
            Self::Unavailable => "The channels could not be opened in time.",
            Self::Overflow => "Far too many connections.",
        }
    }
}

/// A refusal and how long to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// When to come back: at least 5 s, jittered, growing while the address goes on being refused.
    pub retry: Duration,
}

/// Per core: what is open. Written by the acceptor and by the core, rarely: never per frame.
#[derive(Debug, Default)]
struct Load {
    sockets: AtomicUsize,
    sessions: AtomicUsize,
}

/// The doorkeeper of one node.
#[derive(Debug)]
pub struct Admission {
    options: AdmissionOptions,
    loads: Box<[Load]>,
    addresses: Addresses,
    rate: Option<Rate>,
    retries: RetryTable,
    random: Random,
    draining: AtomicBool,
    arrivals: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Admission {
    /// A doorkeeper for `cores` connection threads. `start` is the zero of its clock.
    #[must_use]
    pub fn new(options: AdmissionOptions, cores: usize, random: Random, start: Instant) -> Self {
        Self {
            rate: options.connects_per_second.map(|per_second| Rate::new(per_second, start)),
            options,
            loads: (0..cores.max(1)).map(|_| Load::default()).collect(),
            addresses: Addresses::default(),
            retries: RetryTable::new(start),
            random,
            draining: AtomicBool::new(false),
            arrivals: AtomicU64::new(0),
            refused: Default::default(),
        }
    }

    /// Takes a place for a socket that was just accepted, on the core with the fewest sockets.
    ///
    /// # Errors
    /// [`Reason::Overflow`] when even refusing politely would cost too much: drop the socket.
    pub fn open(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionPermit, Reason> {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        let overflow = |reason| {
            self.count(reason);
            Err(reason)
        };
        if self.sockets() >= self.options.max_connections.saturating_add(CONNECTIONS_HEADROOM) {
            return overflow(Reason::Overflow);
        }
        let key = AddressKey::of(address);
        let counted = match self.options.per_address {
            None => false,
            Some(limit) if self.addresses.enter(key, limit.saturating_add(CONNECTIONS_PER_ADDRESS_HEADROOM)) => true,
            Some(_) => return overflow(Reason::Overflow),
        };
        let core = self.least_loaded();
        self.loads[usize::from(core)].sockets.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionPermit { admission: Arc::clone(self), key, core, counted, session: false })
    }

    /// Decides whether the connection may subscribe.
    ///
    /// # Errors
    /// The refusal, counted.
    pub fn admit(&self, permit: &ConnectionPermit, now: Instant) -> Result<(), Refused> {
        let over_address = || self.options.per_address.is_some_and(|limit| self.addresses.count(permit.key) > limit);
        let reason = if self.is_draining() {
            Reason::Draining
        } else if self.sockets() > self.options.max_connections {
            Reason::Connections
        } else if over_address() {
            Reason::Address
        } else if self.rate.as_ref().is_some_and(|rate| !rate.take(now)) {
            Reason::Rate
        } else {
            return Ok(());
        };
        Err(self.refuse(permit.key, reason, now))
    }

    /// Counts a refusal and says for how long. For refusals that sessions decide, too.
    pub(crate) fn refuse(&self, key: AddressKey, reason: Reason, now: Instant) -> Refused {
        self.count(reason);
        // A drain is nobody's fault and over when the client comes back to another node: it does not grow.
        let base = if reason == Reason::Draining { retry::BASE } else { self.retries.next(key, now) };
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
        self.loads.iter().map(|load| load.sockets.load(Ordering::Relaxed)).sum()
    }

    /// Sockets that are sessions now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.loads.iter().map(|load| load.sessions.load(Ordering::Relaxed)).sum()
    }

    /// Sockets accepted since start, those that were dropped unread included.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Relaxed)
    }

    /// How often somebody was refused for `reason`.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    /// How refusals look.
    #[must_use]
    pub fn policy(&self) -> crate::options::RefusalPolicy {
        self.options.refusal
    }

    fn count(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn least_loaded(&self) -> u16 {
        let by_load = |(_, load): &(usize, &Load)| load.sockets.load(Ordering::Relaxed);
        let least = self.loads.iter().enumerate().min_by_key(by_load).map_or(0, |(core, _)| core);
        u16::try_from(least).unwrap_or(0)
    }
}

/// One socket's place. Dropping it gives the place back.
#[derive(Debug)]
pub struct ConnectionPermit {
    admission: Arc<Admission>,
    key: AddressKey,
    core: u16,
    /// Whether the address was counted.
    counted: bool,
    session: bool,
}

impl ConnectionPermit {
    /// The core that serves this socket.
    #[must_use]
    pub fn core(&self) -> usize {
        usize::from(self.core)
    }

    /// Who has it.
    pub(crate) const fn key(&self) -> AddressKey {
        self.key
    }

    /// From now on the socket counts as a session.
    pub(crate) fn become_session(&mut self) {
        if !self.session {
            self.session = true;
            self.admission.loads[usize::from(self.core)].sessions.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let load = &self.admission.loads[usize::from(self.core)];
        if self.session {
            load.sessions.fetch_sub(1, Ordering::Relaxed);
        }
        load.sockets.fetch_sub(1, Ordering::Relaxed);
        if self.counted {
            self.admission.addresses.leave(self.key);
        }
    }
}

#[cfg(test)]
mod tests;
