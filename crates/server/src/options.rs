//! Everything about the HTTP side that can be configured, with its default.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{CertifiedClient, UnixSeconds};
use fanfare_log::{MAX_CORES, Occupancy, OccupancyStore, TicketStore};
use fanfare_protocol::limits;
use fanfare_tls::{ClientFacts, Identity, SubjectFrom};

use crate::authorizer::Authorizer;
use crate::clock::Clock;
use crate::close::Close;
use crate::cors::Cors;
use crate::forwarded::ForwardedHeader;
use crate::known_revocations::KnownRevocations;
use crate::listen_address::ListenAddress;
use crate::network::Network;
use crate::redirect::Redirect;
use crate::strict_transport::StrictTransport;

/// Options of a [`crate::Server`].
#[derive(Debug, Clone)]
pub struct Options {
    /// `server.listen`: where clients connect.
    pub listeners: Vec<ListenOptions>,
    /// `server.cores`: connection threads. 0: one for each core that the process may use.
    pub cores: usize,
    /// `server.cors_origins`.
    pub cors: Cors,
    /// `server.hsts`: what answers of listeners with TLS say of it. `None`: nothing.
    pub strict_transport: Option<StrictTransport>,
    /// Bounds on what a request may say.
    pub requests: RequestOptions,
    /// Bounds on the sockets themselves.
    pub sockets: SocketOptions,
    /// `admission.*`.
    pub admission: AdmissionOptions,
    /// `publish.key`: the static key of the HTTP publish endpoint. `None` turns the endpoint off.
    pub publish_key: Option<Secret>,
    /// `publish.tokens`: who has a token with the right may publish, too. Needs an authorizer.
    pub publish_tokens: bool,
    /// `history.*`.
    pub history: HistoryOptions,
    /// Says what clients may do; `None`: everybody may subscribe and read.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// `auth.tickets`. `None`: none are made and none counts.
    pub tickets: Option<TicketOptions>,
    /// `auth.client_certificates`: what the authorizer is told of clients that have shown a certificate. `None`: nothing.
    pub client_certificates: Option<ClientCertificateOptions>,
    /// Where readers are counted. `None`: of no channel.
    pub occupancy: Option<OccupancyOptions>,
    /// What is revoked of what the authorizer allows; the server follows their log and ends the sessions that it is about. `None`: nothing
    /// ever is.
    pub revocations: Option<Arc<KnownRevocations>>,
    /// `drain.*`.
    pub drain: DrainOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listeners: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)).into()],
            cores: 0,
            cors: Cors::default(),
            strict_transport: None,
            requests: RequestOptions::default(),
            sockets: SocketOptions::default(),
            admission: AdmissionOptions::default(),
            publish_key: None,
            publish_tokens: false,
            history: HistoryOptions::default(),
            authorizer: None,
            tickets: None,
            client_certificates: None,
            occupancy: None,
            revocations: None,
            drain: DrainOptions::default(),
        }
    }
}

impl Options {
    /// Connection threads after resolving 0; the number of cores that the `Hub` must be made for.
    #[must_use]
    pub fn core_count(&self) -> usize {
        let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let wanted = if self.cores == 0 { available() } else { self.cores };
        wanted.clamp(1, MAX_CORES)
    }
}

/// One listener.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Where it listens (see [`crate::Server::addresses`] for the port that is picked for port 0).
    pub address: ListenAddress,
    /// `server.proxy_protocol`: every connection begins with a PROXY header; those that do not come from a trusted proxy are
    /// closed.
    pub proxy_protocol: bool,
    /// Of a listener with `proxy_protocol`: its proxies pass TLS through, so that a certificate is the client's. Otherwise it is nobody's: it
    /// may be a proxy's own, and says nothing of whom its header names.
    pub tls_passthrough: bool,
    /// Whoever connects is a trusted proxy. For a Unix socket only, whose peers have no address.
    pub trusted: bool,
    /// The permissions of a Unix socket's file.
    pub mode: u32,
    /// Clients speak TLS, and are shown this. `None`: they speak HTTP as it is.
    pub tls: Option<Arc<Identity>>,
    /// Clients are sent to HTTPS, and nothing is served.
    pub redirect: Option<Redirect>,
}

impl From<ListenAddress> for ListenOptions {
    fn from(address: ListenAddress) -> Self {
        Self {
            address,
            proxy_protocol: false,
            tls_passthrough: false,
            trusted: false,
            mode: limits::SOCKET_MODE_DEFAULT,
            tls: None,
            redirect: None,
        }
    }
}

impl From<SocketAddr> for ListenOptions {
    fn from(address: SocketAddr) -> Self {
        ListenAddress::Tcp(address).into()
    }
}

/// What a request may look like and how long it may take.
#[derive(Debug, Clone)]
pub struct RequestOptions {
    /// `limits.header_bytes`: request line and headers, in bytes. More is answered 431. At least 8 KiB.
    pub header_bytes: usize,
    /// `limits.url_bytes`: the request target, in bytes. More is answered 414.
    pub url_bytes: usize,
    /// `limits.channels_per_connection`.
    pub channels: usize,
    /// `limits.last_max`: the most that `last=N` may ask for.
    pub last_max: usize,
    /// `delivery.close`: how streams end whose requests do not say it.
    pub close: Close,
    /// `limits.event_bytes`: data of one event published over HTTP, in bytes.
    pub event_bytes: usize,
    /// Bytes of the bodies of publishes in the node at a time. At least twice `event_bytes` and some.
    pub publish_bytes: usize,
    /// From a request's first byte to the end of its headers; also the wait for the first byte of a new connection.
    pub head_timeout: Duration,
    /// From the end of a request's headers to the end of its body.
    pub body_timeout: Duration,
    /// How long a subscription may wait for the decision whether it may be, beside the time that its channels take to open.
    pub decision_timeout: Duration,
    /// Subscriptions of the node that may wait for such a decision at a time.
    pub decisions: usize,
    /// How long an idle connection is kept for another request.
    pub keep_alive: Duration,
    /// How long the client may take to read a response that is not a stream.
    pub response_timeout: Duration,
    /// `server.http2`: whether HTTP/2 is spoken on plain listeners, to whoever begins with its preface. Over TLS an [`Identity`] says what
    /// clients are offered, and the preface counts for who has chosen it.
    pub http2: bool,
    /// `limits.streams_per_connection`: requests of one HTTP/2 connection that may be under way at once; more are refused.
    pub streams: u32,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            header_bytes: limits::HEADER_BYTES_DEFAULT,
            url_bytes: limits::URL_BYTES_DEFAULT,
            channels: limits::CHANNELS_PER_CONNECTION_DEFAULT,
            last_max: limits::LAST_MAX_DEFAULT,
            close: Close::default(),
            event_bytes: limits::EVENT_BYTES_DEFAULT,
            publish_bytes: limits::PUBLISH_BODIES_BYTES_MAX,
            head_timeout: limits::REQUEST_HEAD_TIMEOUT,
            body_timeout: limits::REQUEST_BODY_TIMEOUT_DEFAULT,
            decision_timeout: limits::DECISION_TIMEOUT,
            decisions: limits::DECISIONS_WAITING_MAX,
            keep_alive: limits::KEEP_ALIVE_DEFAULT,
            response_timeout: limits::RESPONSE_TIMEOUT,
            http2: true,
            streams: limits::HTTP2_STREAMS_DEFAULT,
        }
    }
}

/// What the kernel is told about each socket. Keepalive and the timeout concern TCP only.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// Connections that may wait to be accepted. The kernel caps it (`net.core.somaxconn`).
    pub backlog: u32,
    /// Idle time after which TCP asks whether the peer is there, and the pause between questions.
    pub keepalive: Duration,
    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged, until the socket is a session's. Linux counts the
    /// time that a peer's receive window stays shut, too, so sessions lift it and look for themselves.
    pub user_timeout: Duration,
    /// `TCP_NOTSENT_LOWAT`: about how many bytes of one socket wait in the kernel before they are sent. Without it the kernel
    /// takes megabytes for each client that reads slowly, of bytes that all clients share here; with `SO_SNDBUF` it would
    /// also bound what is on its way, and so the speed of clients that are far away. Of a Unix socket it is the kernel's memory for
    /// what its peer has not read.
    pub unsent: usize,
    /// `SO_SNDBUF` in bytes. `None`: the kernel's own sizing.
    pub send_buffer: Option<usize>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            backlog: limits::LISTEN_BACKLOG_DEFAULT,
            keepalive: limits::TCP_KEEPALIVE,
            user_timeout: limits::TCP_USER_TIMEOUT,
            unsent: limits::TCP_UNSENT_BYTES_DEFAULT,
            send_buffer: None,
        }
    }
}

/// How a transient refusal looks to a client that asked for `text/event-stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefusalPolicy {
    /// `200`, `retry:`, close: a browser comes back by itself.
    #[default]
    Polite,
    /// 429 or 503 with `Retry-After`: a browser's EventSource gives up for ever, fetch-based clients know what to do.
    Status,
}

/// `admission.*`.
#[derive(Debug, Clone)]
pub struct AdmissionOptions {
    /// `admission.refusal`.
    pub refusal: RefusalPolicy,
    /// `admission.max_connections`: open sockets of the node, of every kind.
    pub max_connections: usize,
    /// Sockets beyond those that are accepted to be told so.
    pub headroom: usize,
    /// `admission.per_address`: open sockets of one client address (IPv6: /64), streams of one behind a proxy. `None`: no bound.
    pub per_address: Option<usize>,
    /// `admission.max_silent`: sockets of the node without a request under way. The oldest is closed for one more.
    pub max_silent: usize,
    /// `admission.silent_per_address`: the same of one client address. `None`: no bound.
    pub silent_per_address: Option<usize>,
    /// `admission.connects_per_second`: subscriptions per second of the node, and as many at once. `None`: no bound.
    pub connects_per_second: Option<NonZeroU32>,
    /// `admission.per_subject`: open streams of one subject. `None`: no bound.
    pub per_subject: Option<usize>,
    /// `admission.address_connects_per_second`: the same as `connects_per_second`, of one client address.
    pub address_connects_per_second: Option<NonZeroU32>,
    /// `admission.subject_connects_per_second`: the same of one subject.
    pub subject_connects_per_second: Option<NonZeroU32>,
    /// `admission.address_channels_per_second`: channels in these subscriptions, of one client address.
    pub address_channels_per_second: Option<NonZeroU32>,
    /// `admission.subject_channels_per_second`: the same of one subject.
    pub subject_channels_per_second: Option<NonZeroU32>,
    /// `admission.subject_publishes_per_second`: events published with tokens of one subject; without one, from one client address.
    pub subject_publishes_per_second: Option<NonZeroU32>,
    /// Who is believed when it speaks for its clients.
    pub proxies: ProxyOptions,
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        let rate = |per_second: usize| NonZeroU32::new(u32::try_from(per_second).unwrap_or(u32::MAX));
        Self {
            refusal: RefusalPolicy::default(),
            max_connections: limits::CONNECTIONS_DEFAULT,
            headroom: limits::CONNECTIONS_HEADROOM,
            per_address: Some(limits::CONNECTIONS_PER_ADDRESS_DEFAULT),
            max_silent: limits::SILENT_SOCKETS_DEFAULT,
            silent_per_address: Some(limits::SILENT_SOCKETS_PER_ADDRESS_DEFAULT),
            connects_per_second: rate(limits::CONNECTS_PER_SECOND_DEFAULT),
            per_subject: Some(limits::STREAMS_PER_SUBJECT_DEFAULT),
            address_connects_per_second: rate(limits::ADDRESS_CONNECTS_PER_SECOND_DEFAULT),
            subject_connects_per_second: rate(limits::SUBJECT_CONNECTS_PER_SECOND_DEFAULT),
            address_channels_per_second: rate(limits::ADDRESS_CHANNELS_PER_SECOND_DEFAULT),
            subject_channels_per_second: rate(limits::SUBJECT_CHANNELS_PER_SECOND_DEFAULT),
            subject_publishes_per_second: rate(limits::SUBJECT_PUBLISHES_PER_SECOND_DEFAULT),
            proxies: ProxyOptions::default(),
        }
    }
}

/// The proxies in front of the node, and how they say whose a connection or a request is.
#[derive(Debug, Clone, Default)]
pub struct ProxyOptions {
    /// `server.trusted_proxies`. Of everybody else nothing is believed.
    pub trusted: Vec<Network>,
    /// `server.forwarded_header`: where a trusted proxy names the client of a request.
    pub header: ForwardedHeader,
}

impl ProxyOptions {
    /// Whether it is a trusted proxy's address.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// `history.*`.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// `history.enabled`.
    pub enabled: bool,
    /// `history.max_limit`: the most entries that one request may ask for.
    pub max_limit: usize,
    /// Target size of an answer's entries, in bytes; one larger entry is an answer of its own.
    pub page_bytes: usize,
    /// Answers that are being made, or that their clients have not taken yet; more are answered 503. Beside them is a reserve for
    /// clients that hold few.
    pub answers: usize,
    /// Those of them that may read the archive at once; the others take turns by client.
    pub concurrency: usize,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self {
            enabled: false,
            max_limit: limits::HISTORY_LIMIT_MAX_DEFAULT,
            page_bytes: limits::ARCHIVE_PAGE_BYTES_DEFAULT,
            answers: limits::HISTORY_ANSWERS_MAX,
            concurrency: limits::REDIS_POOL_SIZE_DEFAULT / limits::POOL_CONNECTIONS_PER_HISTORY_CONNECTION,
        }
    }
}

/// Tickets: who makes them is asked of the publish key and of the authorizer.
#[derive(Debug, Clone)]
pub struct TicketOptions {
    /// Where they are kept, for all nodes.
    pub store: Arc<dyn TicketStore>,
    /// How long one may live, from when it is made: `auth.max_token_lifetime`.
    pub max_life: Duration,
    /// The clock by which sessions end.
    pub clock: Clock,
}

/// What is read of the certificates of clients.
#[derive(Debug, Clone)]
pub struct ClientCertificateOptions {
    /// What in them names their subject.
    pub subject: SubjectFrom,
    /// How long a handshake proves whose the client is, at most: `auth.max_token_lifetime`.
    pub proof_lifetime: Duration,
    /// The clock by which sessions end.
    pub clock: Clock,
}

impl ClientCertificateOptions {
    /// What a client has proven now that has shown this certificate (DER). `None`: it cannot be read.
    pub(crate) fn read(&self, certificate: &[u8]) -> Option<CertifiedClient> {
        let ClientFacts { subject, begins, ends } = ClientFacts::of(certificate, self.subject)?;
        let proven_at = self.now();
        let at_most = proven_at.0.saturating_add(self.proof_lifetime.as_secs());
        Some(CertifiedClient {
            subject: subject.map(String::into_boxed_str),
            begins_at: UnixSeconds(begins),
            ends_at: UnixSeconds(ends),
            proven_at,
            proven_until: UnixSeconds(ends.min(at_most)),
        })
    }

    /// Whether a client has to prove it again soon, by another connection.
    pub(crate) fn is_ending(&self, client: &CertifiedClient) -> bool {
        client.is_ending(self.now())
    }

    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.clock.wall_ms() / 1_000)
    }
}

/// How many read a channel, on all nodes.
#[derive(Debug, Clone)]
pub struct OccupancyOptions {
    /// The channels whose readers are counted: the same that the node's hub counts.
    pub occupancy: Occupancy,
    /// Where all nodes write how many they have.
    pub store: Arc<dyn OccupancyStore>,
}

/// `drain.*`.
#[derive(Debug, Clone)]
pub struct DrainOptions {
    /// `drain.window`: the time over which sessions end.
    pub window: Duration,
    /// `drain.deadline`: after this time, counted from the begin of the drain, everything ends.
    pub deadline: Duration,
    /// The listener closes when every session has ended and no client has connected for this long, or soon after.
    pub quiet: Duration,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self {
            window: limits::DRAIN_WINDOW_DEFAULT,
            deadline: limits::DRAIN_DEADLINE_DEFAULT,
            quiet: Duration::from_millis(500),
        }
    }
}

/// A secret that never shows in logs.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes a secret. `None` when it is empty, which would let everybody in.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        (!secret.is_empty()).then(|| Self(secret.as_bytes().into()))
    }

    /// Compares in a time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, given: &[u8]) -> bool {
        let different = self.0.iter().zip(given).fold(0, |acc, (a, b)| std::hint::black_box(acc | (a ^ b)));
        self.0.len() == given.len() && different == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_only_and_is_not_printed() {
        let secret = Secret::new("hunter2").unwrap();
        assert!(secret.matches(b"hunter2"));
        for wrong in ["", "hunter", "hunter22", "hunter3", "Hunter2"] {
            assert!(!secret.matches(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{secret:?}").contains("hunter"));
        assert!(Secret::new("").is_none());
    }
}
