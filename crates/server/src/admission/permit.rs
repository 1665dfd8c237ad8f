//! The permits: of a socket, from the accept call to its end, and of a session. An HTTP/1 session has one of each; an
//! HTTP/2 connection has one of its socket and as many of sessions as it has streams. Dropping a permit is the only
//! way to give its places back.
//!
//! A permit holds a place among the sockets or sessions of its core, and may hold one in the count of an address. The address
//! of a socket is counted by the socket until a session goes on with it, and then by the session: one client is counted once.

use std::sync::Arc;

use fanfare_auth::CertifiedClient;

use super::address::AddressKey;
use super::counts::Counts;
use super::load::Load;
use super::subject::SubjectKey;
use crate::client_address::Source;

/// A place in the count of an address.
#[derive(Debug)]
pub(super) struct AddressPlace {
    load: Arc<Load>,
    /// `None`: nothing is counted here.
    key: Option<AddressKey>,
}

impl AddressPlace {
    /// No place: another permit counts the address, or there is nothing to count.
    pub(super) fn none(load: &Arc<Load>) -> Self {
        Self { load: Arc::clone(load), key: None }
    }

    /// Counts one more of this address. `None`: there are `most` already. Where addresses have no bound nothing is counted.
    pub(super) fn enter(load: &Arc<Load>, key: AddressKey, most: usize) -> Option<Self> {
        let Some(addresses) = &load.addresses else { return Some(Self::none(load)) };
        addresses.enter(key, most).then(|| Self { load: Arc::clone(load), key: Some(key) })
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        if let (Some(key), Some(addresses)) = (self.key, &self.load.addresses) {
            addresses.leave(key);
        }
    }
}

/// One socket's place among those of its core.
#[derive(Debug)]
pub(crate) struct SocketPlace(Arc<Load>);

impl SocketPlace {
    fn new(load: &Arc<Load>) -> Self {
        load.add_socket();
        Self(Arc::clone(load))
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        self.0.remove_socket();
    }
}

/// One socket's places.
#[derive(Debug)]
pub struct SocketPermit {
    socket: SocketPlace,
    address: AddressPlace,
    source: Source,
    /// It carries many sessions.
    is_shared: bool,
    /// What the far end has proven by a certificate, where that counts.
    certified: Option<Box<CertifiedClient>>,
}

/// What of a socket counts when a session over it is admitted: for a request whose end is awaited before that.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(super) load: Arc<Load>,
    /// It carries many sessions, each of which counts for itself.
    pub(super) is_shared: bool,
    /// The socket has a place in the count of its address.
    pub(super) counts_address: bool,
}

impl Carrier {
    /// Counts a session over this socket, which was admitted.
    pub(super) fn session(&self, address: AddressPlace) -> SessionPermit {
        self.load.add_session();
        SessionPermit(Places::Address(address))
    }
}

impl SocketPermit {
    /// Counts a socket on the core of `load`; its address is counted already.
    pub(super) fn new(load: &Arc<Load>, address: AddressPlace, source: Source) -> Self {
        Self { socket: SocketPlace::new(load), address, source, is_shared: false, certified: None }
    }

    /// The socket is a connection of HTTP/2, and carries many sessions. Each of them counts for its client's address from now on, and
    /// the socket goes on counting as one.
    pub(crate) const fn share(&mut self) {
        self.is_shared = true;
    }

    /// What counts when a session over this socket is admitted.
    pub(crate) fn carrier(&self) -> Carrier {
        Carrier { load: Arc::clone(self.load()), is_shared: self.is_shared, counts_address: self.address.key.is_some() }
    }

    /// The client of its requests has proven this in its handshake. Whose certificate counts the handshake has asked
    /// ([`Source::is_certified_by_its_own`]).
    pub(crate) fn certify(&mut self, certified: Option<Box<CertifiedClient>>) {
        self.certified = certified;
    }

    /// What the client of its requests has proven by a certificate.
    pub(crate) fn certified(&self) -> Option<&CertifiedClient> {
        self.certified.as_deref()
    }

    /// The core that serves this socket.
    #[must_use]
    pub fn core(&self) -> usize {
        usize::from(self.load().core)
    }

    /// Who is at its far end.
    pub(crate) const fn source(&self) -> Source {
        self.source
    }

    /// Whom the socket counts for while it is silent. `None`: a trusted proxy, which has as many as its clients need.
    pub(crate) fn payer(&self) -> Option<AddressKey> {
        (!self.source.is_proxy).then(|| AddressKey::of(self.source.address))
    }

    /// The far end is somebody else than it seemed, whose address is counted from now on.
    pub(super) fn belongs_to(&mut self, source: Source, address: AddressPlace) {
        (self.source, self.address) = (source, address);
    }

    pub(super) const fn load(&self) -> &Arc<Load> {
        &self.socket.0
    }

    /// What a session holds that goes on with the whole socket. The session counts the socket's address from now on, unless it
    /// counts one of its own.
    pub(crate) fn into_session(self, session: &mut SessionPermit) -> SocketPlace {
        let Self { socket, mut address, .. } = self;
        let own = &mut session.address_mut().key;
        *own = own.or_else(|| address.key.take());
        socket
    }
}

/// A place in the count of a subject.
#[derive(Debug)]
pub(super) struct SubjectPlace {
    subjects: Arc<Counts<SubjectKey>>,
    key: SubjectKey,
}

impl SubjectPlace {
    /// Counts one more of this subject. `None`: there are `most` already.
    pub(super) fn enter(subjects: &Arc<Counts<SubjectKey>>, key: SubjectKey, most: usize) -> Option<Self> {
        subjects.enter(key, most).then(|| Self { subjects: Arc::clone(subjects), key })
    }
}

impl Drop for SubjectPlace {
    fn drop(&mut self) {
        self.subjects.leave(self.key);
    }
}

/// One session's places, from its admission to its end: a subscription whose decision is awaited has them already, but for that of its
/// subject, which the decision tells.
#[derive(Debug)]
pub struct SessionPermit(Places);

/// A session without a subject takes no room for one.
#[derive(Debug)]
enum Places {
    Address(AddressPlace),
    WithSubject(Box<(AddressPlace, SubjectPlace)>),
}

impl SessionPermit {
    const fn address(&self) -> &AddressPlace {
        match &self.0 {
            Places::Address(address) => address,
            Places::WithSubject(places) => &places.0,
        }
    }

    const fn address_mut(&mut self) -> &mut AddressPlace {
        match &mut self.0 {
            Places::Address(address) => address,
            Places::WithSubject(places) => &mut places.0,
        }
    }

    /// The session is a subject's, where it has a place from now on.
    pub(super) fn belongs_to(&mut self, subject: SubjectPlace) {
        let nothing = AddressPlace::none(&self.address().load);
        let address = std::mem::replace(self.address_mut(), nothing);
        self.0 = Places::WithSubject(Box::new((address, subject)));
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.address().load.remove_session();
    }
}
