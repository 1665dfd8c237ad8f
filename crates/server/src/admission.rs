//! Who gets in: bounds on connections, and what the refused are told.
//!
//! Every accepted socket carries a [`SocketPermit`] from the accept call to its end, and every session a [`SessionPermit`]
//! beside. A socket above a limit is not reset: up to
//! [`CONNECTIONS_HEADROOM`] of them are served long enough to be told (a browser that meets anything but a stream gives up
//! for ever). Beyond that they are dropped unread, so that refusing costs a bounded amount too.

mod address;
mod load;
mod permit;
mod rate;
mod retry;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fanfare_log::Random;
use fanfare_protocol::limits::{
    CONNECTIONS_HEADROOM, CONNECTIONS_PER_ADDRESS_HEADROOM, REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX,
};
use tokio::time::Instant;

pub(crate) use address::AddressKey;
#[cfg(test)]
pub(crate) use permit::SocketPlace;
pub use permit::{SessionPermit, SocketPermit};

use address::Addresses;
use load::Load;
use permit::AddressPlace;
use rate::Rate;
use retry::RetryTable;

use crate::options::AdmissionOptions;

/// Why a subscription, or a socket, was refused.
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
    /// When to come back, jittered: 5 to 15 s, and for [`Reason::Address`] longer while the address goes on being refused.
    pub retry: Duration,
}

/// The doorkeeper of one node.
#[derive(Debug)]
pub struct Admission {
    options: AdmissionOptions,
    loads: Box<[Arc<Load>]>,
    /// `None`: there is no bound per address.
    addresses: Option<Arc<Addresses>>,
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
        let addresses = options.per_address.map(|_| Arc::new(Addresses::default()));
        let load = |core| Arc::new(Load::new(core, addresses.clone()));
        Self {
            rate: options.connects_per_second.map(|per_second| Rate::new(per_second, start)),
            options,
            loads: (0..u16::try_from(cores).unwrap_or(u16::MAX).max(1)).map(load).collect(),
            addresses,
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
    pub fn open(&self, address: IpAddr) -> Result<SocketPermit, Reason> {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        let overflow = |reason| {
            self.count(reason);
            Err(reason)
        };
        if self.sockets() >= self.options.max_connections.saturating_add(CONNECTIONS_HEADROOM) {
            return overflow(Reason::Overflow);
        }
        let (key, load) = (AddressKey::of(address), self.least_loaded());
        let most = self.options.per_address.unwrap_or_default().saturating_add(CONNECTIONS_PER_ADDRESS_HEADROOM);
        let Some(address) = AddressPlace::enter(load, key, most) else { return overflow(Reason::Overflow) };
        Ok(SocketPermit::new(load, address, key))
    }

    /// Decides whether a session may begin over this socket.
    ///
    /// # Errors
    /// The refusal, counted.
    pub fn admit(&self, socket: &SocketPermit, now: Instant) -> Result<SessionPermit, Refused> {
        let from_there = || self.addresses.as_ref().map_or(0, |addresses| addresses.count(socket.key()));
        let over_address = || self.options.per_address.is_some_and(|limit| from_there() > limit);
        if self.is_draining() {
            Err(self.refuse(Reason::Draining))
        } else if self.sockets() > self.options.max_connections {
            Err(self.refuse(Reason::Connections))
        } else if over_address() {
            Err(self.refuse_address(socket.key(), now))
        } else if self.rate.as_ref().is_some_and(|rate| !rate.take(now)) {
            Err(self.refuse(Reason::Rate))
        } else {
            // The socket counts the address.
            Ok(socket.session(AddressPlace::none(socket.load())))
        }
    }

    /// Counts a refusal that is not the doing of the refused address, and says for how long. Sessions decide such refusals, too.
    /// Nothing is remembered: an outage, or a rate that all clients of the node share, would count against every one of them.
    pub(crate) fn refuse(&self, reason: Reason) -> Refused {
        self.count(reason);
        Refused { reason, retry: self.random.between(REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX) }
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

    fn count(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn least_loaded(&self) -> &Arc<Load> {
        // There is at least one.
        self.loads.iter().min_by_key(|load| load.sockets()).unwrap_or(&self.loads[0])
    }
}

#[cfg(test)]
mod tests;
