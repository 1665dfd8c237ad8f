//! Who gets in: bounds on connections, and what the refused are told.
//!
//! Every accepted socket carries a [`SocketPermit`] from the accept call to its end, and every session a [`SessionPermit`]
//! beside. A socket above a limit is not reset: up to
//! [`AdmissionOptions::headroom`] of them are served long enough to be told (a browser that meets anything but a stream gives up
//! for ever). Beyond that they are dropped unread, so that refusing costs a bounded amount too.

mod address;
mod counts;
mod load;
mod payer_rates;
mod permit;
mod rate;
mod retry;
mod silent;
mod subject;

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use fanfare_auth::Grant;
use fanfare_log::{Payer, Random};
use fanfare_protocol::limits::{CONNECTIONS_PER_ADDRESS_HEADROOM, REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX};
use tokio::time::Instant;
use tracing::warn;

#[cfg(test)]
pub(crate) use permit::SocketPlace;
pub(crate) use permit::{Carrier, SessionPermit, SocketPermit};
pub(crate) use silent::Excess;

pub(crate) use address::AddressKey;

use counts::Counts;
use load::Load;
use payer_rates::PayerRates;
use permit::{AddressPlace, SubjectPlace};
use rate::Rate;
use retry::RetryTable;
use silent::SilentCount;
use subject::{SubjectKey, SubjectKeys};

use crate::client_address::Source;
use crate::options::AdmissionOptions;
use crate::payer_buckets::PayerBuckets;

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
    /// `per_subject` streams of this subject are open.
    Subject,
    /// More than `address_connects_per_second` subscriptions came from this address.
    AddressRate,
    /// More than `subject_connects_per_second` subscriptions of this subject came.
    SubjectRate,
    /// More than `address_channels_per_second` channels were in the subscriptions from this address.
    AddressChannels,
    /// More than `subject_channels_per_second` channels were in the subscriptions of this subject.
    SubjectChannels,
    /// More than `subject_publishes_per_second` events were to be published with tokens of this subject. No socket is closed for it.
    Publishes,
}

impl Reason {
    /// Every reason, in the order of its counters.
    pub const ALL: [Self; 14] = [
        Self::Draining,
        Self::Connections,
        Self::Address,
        Self::Rate,
        Self::Unavailable,
        Self::Overflow,
        Self::Untrusted,
        Self::Silent,
        Self::Subject,
        Self::AddressRate,
        Self::SubjectRate,
        Self::AddressChannels,
        Self::SubjectChannels,
        Self::Publishes,
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
            Self::Subject => "subject",
            Self::AddressRate => "address_rate",
            Self::SubjectRate => "subject_rate",
            Self::AddressChannels => "address_channels",
            Self::SubjectChannels => "subject_channels",
            Self::Publishes => "publishes",
        }
    }

    /// Whether it is about this client rather than the node. Otherwise another node may take the client at once, and a balancer
    /// that asks the next one after a 503 does right.
    pub(crate) const fn is_about_the_client(self) -> bool {
        matches!(
            self,
            Self::Address
                | Self::Subject
                | Self::AddressRate
                | Self::SubjectRate
                | Self::AddressChannels
                | Self::SubjectChannels
                | Self::Publishes
        )
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
            Self::Subject => "Too many streams of this subject are open.",
            Self::AddressRate => "Too many subscriptions arrive from this address at once.",
            Self::SubjectRate => "Too many subscriptions of this subject arrive at once.",
            Self::AddressChannels => "Subscriptions from this address ask for too many channels at once.",
            Self::SubjectChannels => "Subscriptions of this subject ask for too many channels at once.",
            Self::Publishes => "Too many events of this subject arrive at once. Nothing was published.",
        }
    }
}

/// A refusal and how long to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// When to come back, jittered: 5 to 15 s, and for [`Reason::Address`] and [`Reason::Subject`] longer while that goes on being
    /// refused.
    pub retry: Duration,
}

/// The doorkeeper of one node.
#[derive(Debug)]
pub struct Admission {
    options: AdmissionOptions,
    loads: Box<[Arc<Load>]>,
    /// `None`: there is no bound per address.
    addresses: Option<Arc<Counts<AddressKey>>>,
    subjects: Arc<Counts<SubjectKey>>,
    subject_keys: SubjectKeys,
    rate: Option<Rate>,
    address_rates: PayerRates,
    subject_rates: PayerRates,
    /// `None`: there is no bound.
    publishes: Option<PayerBuckets>,
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
        let AdmissionOptions { address_connects_per_second, address_channels_per_second, .. } = options;
        let AdmissionOptions { subject_connects_per_second, subject_channels_per_second, .. } = options;
        let publishes = options.subject_publishes_per_second;
        Self {
            rate: options.connects_per_second.map(|per_second| Rate::new(per_second, start)),
            address_rates: PayerRates::new(address_connects_per_second, address_channels_per_second, start),
            subject_rates: PayerRates::new(subject_connects_per_second, subject_channels_per_second, start),
            publishes: publishes.map(|per_second| payer_rates::buckets(per_second, 1, start)),
            subjects: Arc::default(),
            subject_keys: SubjectKeys::new(&random),
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
        self.open_on(self.source(peer), |_| true)
    }

    /// The same among the cores that take sockets at present; where none does, the first.
    pub(crate) fn open_on(&self, source: Source, takes: impl Fn(usize) -> bool) -> Result<SocketPermit, Reason> {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        let dropped = |reason| {
            self.count(reason);
            Err(reason)
        };
        if !self.has_room() {
            return dropped(Reason::Overflow);
        }
        if source.begins_with_header && !source.is_proxy {
            self.told_of_strangers.call_once(|| {
                warn!(peer = %source.address, "closed a connection: proxy_protocol is on, and its peer is not in server.trusted_proxies; \
                      fanfare_refusals_total counts those that follow");
            });
            return dropped(Reason::Untrusted);
        }
        let load = self.least_loaded(takes);
        let Some(address) = self.place_for_socket(load, source) else { return dropped(Reason::Overflow) };
        Ok(SocketPermit::new(load, address, source))
    }

    /// What is known of this address by itself.
    pub(crate) fn source(&self, address: IpAddr) -> Source {
        Source::of(address, &self.options.proxies)
    }

    /// What is known of a client whom a PROXY header names: it came by the same listener.
    fn introduced(&self, socket: &SocketPermit, client: IpAddr) -> Source {
        let Source { tls_is_its_own, listener, .. } = socket.source();
        Source { tls_is_its_own, listener, ..self.source(client) }
    }

    /// Puts the client that a PROXY header named in the place of the proxy that sent it. `None`: the header names nobody; the
    /// proxy stays, and what its requests say of other clients may come from anywhere.
    ///
    /// # Errors
    /// As [`Self::open`]: drop the socket.
    pub(crate) fn introduce(&self, socket: &mut SocketPermit, client: Option<IpAddr>) -> Result<(), Reason> {
        let (source, address) = match client.map(|client| self.introduced(socket, client)) {
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
    pub(crate) fn admit(&self, socket: &Carrier, client: IpAddr, now: Instant) -> Result<SessionPermit, Refused> {
        if self.is_draining() {
            return Err(self.refuse(Reason::Draining));
        }
        // Over HTTP/1 there are never more sessions than sockets.
        if self.is_full() || self.sessions() >= self.options.max_connections {
            return Err(self.refuse(Reason::Connections));
        }
        let key = AddressKey::of(client);
        let Some(address) = self.place_for_session(socket, key) else {
            return Err(self.refuse_payer(Reason::Address, key.key(), now));
        };
        // In a storm nobody is asked about those who could not begin anyway.
        if self.rate.as_ref().is_some_and(|rate| !rate.has_one(now)) {
            return Err(self.refuse(Reason::Rate));
        }
        if !self.address_rates.have_one(key.key(), now) {
            return Err(self.refuse(Reason::AddressRate));
        }
        Ok(socket.session(address))
    }

    /// Decides whether a session with so many channels, which is admitted and allowed, may begin now. It has a place in the count of its
    /// subject from now on, if its grant names one; and it counts for the rates of that subject, of its client's address and of the node.
    /// A subject that has used up its own takes nothing of its neighbours' at the same address.
    ///
    /// # Errors
    /// The refusal, counted.
    pub fn begin(
        &self,
        permit: &mut SessionPermit,
        client: IpAddr,
        grant: Option<&Grant>,
        channels: usize,
        now: Instant,
    ) -> Result<(), Refused> {
        if let Some(subject) = self.subject_keys.of(grant) {
            if let Some(most) = self.options.per_subject {
                let Some(place) = SubjectPlace::enter(&self.subjects, subject, most) else {
                    return Err(self.refuse_payer(Reason::Subject, subject.key(), now));
                };
                permit.belongs_to(place);
            }
            let taken = self.subject_rates.take(subject.key(), channels, now);
            taken.map_err(|excess| match excess {
                payer_rates::Excess::Sessions => self.refuse(Reason::SubjectRate),
                payer_rates::Excess::Channels => self.refuse(Reason::SubjectChannels),
            })?;
        }
        let taken = self.address_rates.take(AddressKey::of(client).key(), channels, now);
        taken.map_err(|excess| match excess {
            payer_rates::Excess::Sessions => self.refuse(Reason::AddressRate),
            payer_rates::Excess::Channels => self.refuse(Reason::AddressChannels),
        })?;
        match &self.rate {
            Some(rate) if !rate.take(now) => Err(self.refuse(Reason::Rate)),
            _ => Ok(()),
        }
    }

    /// Decides whether a client that may publish by this grant, or needs none, may do so once more now.
    ///
    /// # Errors
    /// The refusal, counted.
    pub fn publish(&self, client: IpAddr, grant: Option<&Grant>, now: Instant) -> Result<(), Refused> {
        match &self.publishes {
            Some(publishes) if !publishes.take(self.payer_key(client, grant), 1, now) => {
                Err(self.refuse(Reason::Publishes))
            }
            _ => Ok(()),
        }
    }

    /// Who pays for what a client at this address asks for by this grant.
    pub(crate) fn payer(&self, client: IpAddr, grant: Option<&Grant>) -> Payer {
        Payer::of(self.payer_key(client, grant).get())
    }

    /// The same for tables of payers: its subject, if the grant names one, else its address.
    pub(crate) fn payer_key(&self, client: IpAddr, grant: Option<&Grant>) -> NonZeroU64 {
        self.subject_keys.of(grant).map_or_else(|| AddressKey::of(client).key(), SubjectKey::key)
    }

    /// A place for a session in the count of its client's address. `None`: there is no room.
    fn place_for_session(&self, socket: &Carrier, client: AddressKey) -> Option<AddressPlace> {
        let (Some(limit), Some(addresses)) = (self.options.per_address, &self.addresses) else {
            return Some(AddressPlace::none(&socket.load));
        };
        if socket.is_shared {
            // Its own place is forgiven: a client has as many streams over one connection as it would have without it.
            let most = limit.saturating_add(usize::from(socket.counts_address));
            return AddressPlace::enter(&socket.load, client, most);
        }
        if socket.counts_address {
            return (addresses.count(client) <= limit).then(|| AddressPlace::none(&socket.load));
        }
        AddressPlace::enter(&socket.load, client, limit)
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

    /// Counts a refusal of an address, or a subject, that has too much open. It stays away for longer each time.
    fn refuse_payer(&self, reason: Reason, key: NonZeroU64, now: Instant) -> Refused {
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
