//! Every configuration key, declared once.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use config::ValueKind;
use fanfare_log::MAX_CORES;
use fanfare_protocol::{Pattern, limits};
use fanfare_server::{ListenAddress, Network, StrictTransport};

use super::choice::{
    AddressHeader, CloseStyle, LogFormat, ProxyProtocol, Pushes, RefusalStyle, SubjectName, TlsVersion,
};
use super::declare::{Key, read, section_name, sections, within};
use super::names::{ClaimName, CookieName, FileName, HeaderNames, ParameterName, ServiceUrl};
use super::template_list::{HistoryTemplates, TemplateList};
use super::text::{CorsOrigin, LogLevel, Prefix, Secret, SecretUrl};
use super::value::{BytesPerSecond, OffOr, Size, Span, Value};

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

const fn size(bytes: usize) -> Size {
    Size(bytes as u64)
}

fn positive(count: usize) -> Option<NonZeroU32> {
    u32::try_from(count).ok().and_then(NonZeroU32::new)
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

sections! {
    /// Where clients connect.
    Server server {
        /// Where clients connect: an IP address and a port, or `unix:` and the path of a Unix socket. Tables `[[server.listen]]` stand in its place where there are several listeners, or where one has settings of its own.
        listen: ListenAddress = ListenAddress::Tcp(loopback(8080));
        /// A PEM file with the certificate of the node and its chain (`fullchain.pem`, `tls.crt`): clients of `server.listen` speak TLS then, and nothing else. Tables `[[server.listen]]` have certificates of their own. The file is looked at every few seconds and at SIGHUP: a new certificate is shown to new connections as soon as it and its key are there, and one that is wrong leaves the old one in use. See [tls.md](tls.md).
        certificate: FileName = FileName(None);
        /// A PEM file with its private key (`privkey.pem`, `tls.key`), without a passphrase; empty: the key stands in the same file as the certificate.
        key: FileName = FileName(None);
        /// The oldest version of TLS that is spoken, `1.2` or `1.3`. A table `[[server.listen]]` may say otherwise for its listener.
        min_tls_version: TlsVersion = TlsVersion::Tls12;
        /// Whether HTTP/2 is spoken: taken from whoever begins with it on a plain listener, and offered to clients of listeners with TLS. Browsers take it there: all their tabs share one connection, which costs a node about 20 KiB; over HTTP/1.1 a connection costs about 2, and a browser opens at most six.
        http2: bool = true;
        /// What every answer of a listener with TLS says as `Strict-Transport-Security`, such as `max-age=31536000; includeSubDomains`: browsers then come by HTTPS only, for so long and without a way back. Never said on a plain listener.
        hsts: OffOr<StrictTransport> = OffOr(None);
        /// Worker threads for connections. 0 starts one for each core that the process may use.
        cores: usize = 0, 0 => MAX_CORES;
        /// Origins whose pages may read events (CORS): `https://app.example.com`, or a pattern such as `https://*.example.com`, where `*` stands for one label or several, and scheme and port are those of the pattern. Pages of the node's own origin need no entry; `["*"]` admits every page. See [auth.md](auth.md#origins).
        cors_origins: Vec<CorsOrigin> = Vec::new();
        /// A connection without a request for this long is closed. Event streams are not meant: they live by heartbeats.
        keep_alive: Span = Span(limits::KEEP_ALIVE_DEFAULT), Span::secs(1) => Span::secs(3600);
        /// Idle time after which TCP asks whether the peer is still there.
        tcp_keepalive: Span = Span(limits::TCP_KEEPALIVE), Span::secs(1) => Span::secs(7200);
        /// A peer that acknowledges nothing for this long, though it is asked again and again, has vanished: it is cut off and resumes from its position. A client that reads slowly, or nothing at all (see `delivery.stalled`), is no such peer: its kernel answers for it. One that had stopped reading before it vanished may be found up to six minutes later, since its kernel is asked only every two minutes then.
        tcp_user_timeout: Span = Span(limits::TCP_USER_TIMEOUT), Span::secs(1) => Span::secs(7200);
        /// The kernel takes about this much of one stream ahead of what it can send (`TCP_NOTSENT_LOWAT`). The rest waits in memory that all readers share: this times the streams bounds what slow readers cost the kernel.
        unsent_bytes: Size = size(limits::TCP_UNSENT_BYTES_DEFAULT), Size(4 * KIB) => Size(64 * MIB);
        /// The proxies and balancers in front of the node, as addresses or networks. What they say of a client's address is believed, and limits for an address are the client's; what anybody else says is ignored. Name only those that overwrite or append to `forwarded_header`.
        trusted_proxies: Vec<Network> = Vec::new();
        /// The header in which a trusted proxy names the client. The right-most address that is no trusted proxy counts. The other header is never looked at.
        forwarded_header: AddressHeader = AddressHeader::XForwardedFor;
        /// For balancers that pass bytes on without looking at requests: every connection begins with a header of the PROXY protocol, version 1 or 2. Then only trusted proxies are served; connections of others are closed unread. A table `[[server.listen]]` may say otherwise for its listener.
        proxy_protocol: ProxyProtocol = ProxyProtocol::Off;
    }

    /// The operators' listener: `/metrics`, `/livez`, `/readyz`, `/status`, and `POST /revocations`. It has no authentication: keep it private.
    Admin admin {
        /// The address of the admin listener.
        listen: SocketAddr = loopback(9090);
        /// Take revocations by `POST /revocations`, with `auth.enabled`. The listener has no authentication: whoever reaches it, also to scrape, can end everybody's streams then. `fanfare revoke` does without.
        revocations: bool = false;
        /// The node is ready while a message has made its way around the Redis Pub/Sub path, and a stream of its own could be read, within this time.
        ready_probe_age: Span = Span(limits::READY_PROBE_AGE_MAX_DEFAULT), Span::millis(100) => Span::secs(600);
        /// A thread of the node that takes no turn for so long is stuck: `/livez` and `/readyz` say so.
        stuck_after: Span = Span(limits::STUCK_AFTER_DEFAULT), Span(limits::STUCK_AFTER_MIN) => Span::secs(600);
    }

    /// The connection to Redis.
    Redis redis {
        /// Redis, with credentials if it asks for them. Prefer the environment for a URL with a password.
        url: SecretUrl = SecretUrl::known("redis://127.0.0.1:6379");
        /// What stands before every channel name, in Stream keys and Pub/Sub channels alike. All nodes and publishers must agree.
        prefix: Prefix = Prefix("sse:".into());
        /// Treat keyspace notifications as doorbells, for producers that only `XADD`. Redis must run with `notify-keyspace-events` containing `Kt`.
        keyspace_notifications: bool = false;
        /// What is believed of messages that bring an event. With `trusted` one that follows the last event is delivered as it is, without a read: whoever may `PUBLISH` on a channel can forge one. With `verified` each makes the node read the Stream, and only what stands there is delivered; messages whose event the Stream does not have are counted. See [who may forge what](operations.md#who-may-forge-what) for what it costs.
        pushes: Pushes = Pushes::Trusted;
        /// How often a message is sent around the Pub/Sub path to prove that it still works. With `auth.enabled` that is every 0.2 s, if no shorter time stands here: nobody is given anything by a token unless it was proven lately that what is revoked arrives.
        probe_interval: Span = Span(limits::REDIS_PROBE_INTERVAL_DEFAULT), Span::millis(50) => Span::secs(60);
        /// A probe that takes longer than this means that the connection is dead: it is closed and opened again.
        probe_timeout: Span = Span(limits::REDIS_PROBE_TIMEOUT_DEFAULT), Span::millis(50) => Span::secs(60);
        /// How often every followed channel is compared with its Stream even if nothing seems wrong. Bounds the delay of a lost last message.
        reconcile_interval: Span = Span(limits::REDIS_RECONCILE_INTERVAL_DEFAULT), Span::millis(100) => Span::secs(50);
        /// Connections for archive reads of event streams. History over HTTP has a quarter as many beside, at least one; publishes share one of their own.
        pool_size: usize = limits::REDIS_POOL_SIZE_DEFAULT, 1 => 256;
        /// A Redis command that takes longer than this has failed.
        command_timeout: Span = Span(limits::REDIS_COMMAND_TIMEOUT_DEFAULT), Span::millis(50) => Span::secs(60);
        /// Load the publishing functions (`sse_publish`) at start. Without the right to do so the node warns and runs on.
        load_functions: bool = true;
        /// Whether streams of channels may expire. `false` promises that none does: no publisher gives a `TTL`, and this node publishes none that has a `ttl`. Where Redis has a policy `volatile-*`, which evicts only keys that expire, the absence of a stream then proves what it proves where nothing is evicted. A node that sees a stream with a `TTL` says so and no longer believes the promise for its channel.
        streams_expire: bool = true;
    }

    /// How events are written to connections.
    Delivery delivery {
        /// An idle connection gets a comment this often, so that no proxy takes it for dead.
        heartbeat: Span = Span(limits::HEARTBEAT_DEFAULT), Span(limits::HEARTBEAT_MIN) => Span(limits::HEARTBEAT_MAX);
        /// Milliseconds for which a connection may wait for more events before it writes: fewer system calls, more delay. 0 writes at once.
        coalesce_ms: u64 = 0, 0 => 1000;
        /// Milliseconds that a browser is told to wait before it reconnects. Each connection is told a value around this, so that they do not come back together.
        retry_ms: u64 = 2000, 100 => 600_000;
        /// How long a new stream waits for its channels to open before it is refused.
        subscribe_timeout: Span = Span(limits::SUBSCRIBE_TIMEOUT_DEFAULT), Span::millis(100) => Span::secs(60);
        /// How streams end when the node drains, and are refused, if a request does not say it (`close=`). With `abort` the response breaks off, and a refusal is a status: for clients that take a clean end for the end of the matter. Browsers then give an `EventSource` up for ever at a refusal: its URL says `close=clean`.
        close: CloseStyle = CloseStyle::Clean;
        /// A connection whose next event is older than this, and no longer in memory, gets `$gap` `lagging` and goes on with what is new.
        max_behind: OffOr<Span> = OffOr(limits::MAX_BEHIND_DEFAULT.map(Span));
        /// A client that takes nothing at all for this long, although something waits for it, gives back the kernel memory that it holds: its stream ends, and it resumes from its position when it reads again. A client that takes something now and then, however slowly, is never ended, and neither is one for which nothing waits.
        stalled: OffOr<Span> = OffOr(limits::STALLED_DEFAULT.map(Span));
    }

    /// The newest part of each channel, held in memory.
    Tail tail {
        /// Bytes for all tails of this node together. The coldest are evicted first; the archive keeps everything.
        budget: Size = size(limits::TAIL_BUDGET_BYTES_DEFAULT), Size(MIB) => Size(1024 * GIB);
        /// Entries that one channel may hold.
        channel_entries: usize = limits::TAIL_CHANNEL_ENTRIES_DEFAULT, 16 => 1_000_000;
        /// Bytes that one channel may hold; at most the budget.
        channel_bytes: Size = size(limits::TAIL_CHANNEL_BYTES_DEFAULT), Size(64 * KIB) => Size(64 * GIB);
    }

    /// Channels.
    Channel channel {
        /// A channel stays followed this long after its last reader left: long enough for a reconnect.
        linger: Span = Span(limits::CHANNEL_LINGER_DEFAULT), Span::secs(0) => Span::secs(3600);
    }

    /// Reading what is no longer in memory from Redis Streams.
    Archive archive {
        /// Reads in flight at once. Equal reads are shared and count once.
        concurrency: usize = limits::ARCHIVE_CONCURRENCY_DEFAULT, 1 => 256;
        /// Target size of one page.
        page_bytes: Size = size(limits::ARCHIVE_PAGE_BYTES_DEFAULT), Size(4 * KIB) => Size(4 * MIB);
        /// Bytes a second that event streams that are behind may cause to be read from the archive, on this node; their channels take turns. History over HTTP is not counted.
        bytes_per_second: BytesPerSecond = size(limits::ARCHIVE_BYTES_PER_SECOND_DEFAULT), Size(64 * KIB) => Size(16 * GIB);
    }

    /// Limits on what one client or publisher may ask for.
    Limits limits {
        /// Data of one event. A larger one in a Stream becomes `$gap` `too_large`.
        event_bytes: Size = size(limits::EVENT_BYTES_DEFAULT), Size(KIB) => size(limits::EVENT_BYTES_MAX);
        /// Channels that one connection may follow.
        channels_per_connection: usize = limits::CHANNELS_PER_CONNECTION_DEFAULT, 1 => limits::CHANNELS_PER_CONNECTION_MAX;
        /// Channels that the node may follow at once. Clients that hold few find a reserve of 1/16 beside it.
        channels_per_node: usize = limits::CHANNELS_PER_NODE_DEFAULT, 1 => 10_000_000;
        /// Length of a request's URL.
        url_bytes: Size = size(limits::URL_BYTES_DEFAULT), size(limits::URL_BYTES_MIN) => Size(64 * KIB);
        /// Length of a request's head.
        header_bytes: Size = size(limits::HEADER_BYTES_DEFAULT), Size(8 * KIB) => Size(256 * KIB);
        /// How long a client may take to send a request's head.
        head_timeout: Span = Span(limits::REQUEST_HEAD_TIMEOUT), Span::millis(100) => Span::secs(300);
        /// How long a client may take to send a request's body.
        body_timeout: Span = Span(limits::REQUEST_BODY_TIMEOUT_DEFAULT), Span::millis(100) => Span::secs(300);
        /// Requests of one HTTP/2 connection that may be under way at once, streams included. A browser has one connection for all its tabs, and requests beyond this wait in it; other clients open another connection, or try again.
        streams_per_connection: usize = limits::HTTP2_STREAMS_DEFAULT as usize, limits::HTTP2_STREAMS_MIN as usize => limits::HTTP2_STREAMS_MAX as usize;
        /// The largest N of `last=N`.
        last_max: usize = limits::LAST_MAX_DEFAULT, 0 => 100_000;
        /// A client whose position is older than this, by the time in its id, starts now with a `$gap` `unknown_position`. A quiet channel's position ages too.
        cursor_age: OffOr<Span> = OffOr(limits::CURSOR_AGE_DEFAULT.map(Span));
    }

    /// Who may connect.
    Admission admission {
        /// How a transient refusal looks to a client that asked for `text/event-stream`.
        refusal: RefusalStyle = RefusalStyle::Polite;
        /// Connections of this node; fewer where its limit of open files leaves no room for so many.
        max_connections: usize = limits::CONNECTIONS_DEFAULT, 1 => 10_000_000;
        /// Connections from one address (IPv6: from one /64). Behind a proxy of `server.trusted_proxies`: event streams of one client; any other proxy in front of the node is one address.
        per_address: OffOr<NonZeroU32> = OffOr(positive(limits::CONNECTIONS_PER_ADDRESS_DEFAULT));
        /// Connections of this node that have no request under way: none has come yet, or only part of one, or they are kept for another. For one more, the oldest is closed. Where there are few places they have half of them at most, whatever this says.
        max_silent: usize = limits::SILENT_SOCKETS_DEFAULT, 1 => 10_000_000;
        /// The same from one address (IPv6: from one /64), trusted proxies excepted.
        silent_per_address: OffOr<NonZeroU32> = OffOr(positive(limits::SILENT_SOCKETS_PER_ADDRESS_DEFAULT));
        /// New subscriptions in a second, for this node.
        connects_per_second: OffOr<NonZeroU32> = OffOr(positive(limits::CONNECTS_PER_SECOND_DEFAULT));
        /// Event streams of one subject on this node, from wherever it comes: whom a token, a ticket, a client's certificate or the application of `forward_auth` names (`sub`), told apart by who names it. Raise it where many share one `sub`, as guests or services may.
        per_subject: OffOr<NonZeroU32> = OffOr(positive(limits::STREAMS_PER_SUBJECT_DEFAULT));
        /// New subscriptions in a second from one address (IPv6: from one /64); behind a proxy of `server.trusted_proxies`, from one client.
        address_connects_per_second: OffOr<NonZeroU32> = OffOr(positive(limits::ADDRESS_CONNECTS_PER_SECOND_DEFAULT));
        /// New subscriptions in a second of one subject.
        subject_connects_per_second: OffOr<NonZeroU32> = OffOr(positive(limits::SUBJECT_CONNECTS_PER_SECOND_DEFAULT));
        /// Channels in the new subscriptions of a second from one address. One full stream may come at once in any case.
        address_channels_per_second: OffOr<NonZeroU32> = OffOr(positive(limits::ADDRESS_CHANNELS_PER_SECOND_DEFAULT));
        /// Channels in the new subscriptions of a second of one subject. One full stream may come at once in any case.
        subject_channels_per_second: OffOr<NonZeroU32> = OffOr(positive(limits::SUBJECT_CHANNELS_PER_SECOND_DEFAULT));
        /// Events that are published in a second by one subject (`publish.tokens`); by one address where none is named. What `publish.key` publishes is not counted.
        subject_publishes_per_second: OffOr<NonZeroU32> = OffOr(positive(limits::SUBJECT_PUBLISHES_PER_SECOND_DEFAULT));
    }

    /// Tokens: who may follow, publish and read what. Off, everybody who reaches the node may read every channel.
    Auth auth {
        /// Ask for tokens. Nothing may be done without one then, but with `auth.public`. Issuers stand in tables `[[auth.issuers]]`.
        enabled: bool = false;
        /// Channels that everybody may follow and read as history: patterns without `redis.prefix`, `*` stands for any characters. Nobody is asked for a token there. Publishing is never public.
        public: Vec<Pattern> = Vec::new();
        /// The cookie that may hold a token, for an `EventSource`, which cannot send headers; empty: none. Pages of other origins must be listed in `server.cors_origins`, where `*` is refused then.
        cookie: CookieName = CookieName(None);
        /// The parameter of a URL that may hold a token; empty: none. URLs end in the logs of proxies and in histories: prefer the header or the cookie. No log of a node holds it.
        query_parameter: ParameterName = ParameterName(None);
        /// The claim that says what a token of an issuer without patterns of its own gives: `{"subscribe": ["user:{sub}"], "publish": [], "history": []}`.
        claim: ClaimName = ClaimName(limits::CLAIM_NAME_DEFAULT.into());
        /// How far the clocks of issuers and nodes may be apart. A token whose `iat` or `nbf` lies further ahead is refused with `401`: an issuer whose clock is ahead by more needs more.
        leeway: Span = Span(limits::AUTH_LEEWAY_DEFAULT), Span::secs(0) => Span(limits::AUTH_LEEWAY_MAX);
        /// Who comes with a token that expired less than this ago is told so politely (`$expired`) and may come back with a fresh one; later it is a `401`, which ends an `EventSource` for good. A cookie has to outlive its token by as much: without it there is no token, and a `401` at once.
        expired_grace: Span = Span(limits::EXPIRED_GRACE_DEFAULT), Span::secs(0) => Span(limits::EXPIRED_GRACE_MAX);
        /// Tokens that live longer than this, from `iat` to `exp`, are refused.
        max_token_lifetime: Span = Span(limits::TOKEN_LIFETIME_DEFAULT), Span(limits::TOKEN_LIFETIME_MIN) => Span(limits::TOKEN_LIFETIME_MAX);
        /// A PEM file with the authorities whose certificates are believed of services that are asked over HTTPS (`jwks_url`, `forward_auth.url`), in place of this machine's, for all of them; empty: those of this machine, or of `SSL_CERT_FILE`. Read once.
        ca_file: FileName = FileName(None);
        /// Make tickets (`POST /tickets`, with `publish.key` or a token that has the right `tickets`) and take them (`GET /events?ticket=`): for an `EventSource` without a cookie. They are kept in Redis; see [auth.md](auth.md#tickets).
        tickets: bool = false;
        /// Ask such services over `http` also within private networks (`http://app:3000`), as long as their names mean addresses of one (10/8, 172.16/12, 192.168/16, fc00::/7). Everybody in that network can then read the cookies and tokens that are sent along, and let in whom he likes.
        private_http: bool = false;
    }

    /// What clients may do by their certificates, where a request brings no token, no ticket and nothing that `forward_auth` is asked about. Needs `auth.enabled`, and a listener with `client_ca`; see [auth.md](auth.md#certificates-of-clients).
    CertificateGrants client_certificates {
        /// What in a certificate names its subject: the common name, or the first DNS name, the only URI (a SPIFFE ID) or the first e-mail address of its `subjectAltName`. `off`: certificates decide who may connect, and give nothing.
        subject: OffOr<SubjectName> = OffOr(None);
        /// Channels that a subject may follow: patterns in which `{sub}` stands for it.
        subscribe: TemplateList = TemplateList(Vec::new());
        /// The same for publishing by HTTP, with `publish.tokens`.
        publish: TemplateList = TemplateList(Vec::new());
        /// The same for history; `["*"]` is every channel, and `[]` none.
        history: HistoryTemplates = HistoryTemplates(None);
        /// Certificates that are valid for longer, from their first second to their last, give nothing: a revocation has to be remembered for as long as any certificate that it is about. Longer than `auth.max_token_lifetime`, it lengthens how long all revocations are in force and kept, those of tokens too. Who has a certificate is shut out by a revocation, of a channel as well, until a later one is issued: for so long at most.
        max_lifetime: Span = Span(limits::CERTIFICATE_LIFETIME_DEFAULT), Span(limits::TOKEN_LIFETIME_MIN) => Span(limits::TOKEN_LIFETIME_MAX);
    }

    /// An application that is asked whether a request may do what it wants, unless a token says so; it may name the channels of a stream too. Needs `auth.enabled`; see [auth.md](auth.md#your-application-decides).
    ForwardAuth forward_auth {
        /// Where it answers: `https`, or `http` on this machine, with `auth.private_http` also within private networks; empty: nobody is asked. No log shows its query.
        url: ServiceUrl = ServiceUrl(None);
        /// The headers of a request that are sent along. Never those of a connection or a body, nor `Host`, nor what proxies say of a client's address (`X-Forwarded-For`).
        headers: HeaderNames = HeaderNames(vec![http::header::AUTHORIZATION, http::header::COOKIE]);
        /// How long an answer is waited for. Then a stream is refused politely.
        timeout: Span = Span(limits::FORWARD_TIMEOUT_DEFAULT), Span(limits::FORWARD_TIMEOUT_MIN) => Span(limits::FORWARD_TIMEOUT_MAX);
        /// Questions under way at once, three quarters of them from one address at most. 192 more wait within `forward_auth.timeout`; others are refused politely at once.
        concurrency: usize = limits::FORWARD_CONCURRENCY_DEFAULT, 1 => limits::FORWARD_CONCURRENCY_MAX;
        /// How long what an answer allows is allowed to a request that sends exactly the same, in whole seconds. Denials are not kept. `"0s"`: each is asked about.
        keep: Span = Span(limits::FORWARD_KEEP_DEFAULT), Span::secs(0) => Span(limits::FORWARD_KEEP_MAX);
        /// How long a client that comes back to a stream is told to come again (`$expired`) while the application denies it, from the first denial on; then the denial is final. An application that cannot read its sessions denies what it allowed a moment before. `"0s"`: each is final at once.
        denied_grace: Span = Span(limits::FORWARD_DENIED_GRACE_DEFAULT), Span::secs(0) => Span(limits::FORWARD_DENIED_GRACE_MAX);
        /// How long what it allows is allowed, if its answer has no `lifetime`. A stream ends before that, and is asked about again when it comes back.
        lifetime: Span = Span(limits::FORWARD_LIFETIME_DEFAULT), Span(limits::FORWARD_LIFETIME_MIN) => Span(limits::FORWARD_LIFETIME_MAX);
        /// How long it is allowed at most, whatever its answer says.
        max_lifetime: Span = Span(limits::FORWARD_MAX_LIFETIME_DEFAULT), Span(limits::FORWARD_LIFETIME_MIN) => Span(limits::FORWARD_LIFETIME_MAX);
    }

    /// Publishing by `POST /channels/{channel}/events`.
    Publish publish {
        /// The key that publishers send as `Authorization: Bearer …`. At least 16 characters of visible ASCII; empty: the endpoint is off. Prefer the environment.
        key: Secret = Secret::UNSET;
        /// Let those publish, too, whose tokens or certificates have the right, or to whom the application of `forward_auth` gives it by name. Needs `auth.enabled`.
        tokens: bool = false;
    }

    /// `GET /channels/{channel}/history` for everything that is not SSE.
    History history {
        /// Serve it.
        enabled: bool = false;
        /// Entries in one answer.
        max_limit: usize = limits::HISTORY_LIMIT_MAX_DEFAULT, 1 => 10_000;
    }

    /// Stopping without hurting anybody.
    Drain drain {
        /// Sessions are ended one by one over this long, so that reconnects do not arrive all at once.
        window: Span = Span(limits::DRAIN_WINDOW_DEFAULT), Span::secs(0) => Span::secs(3600);
        /// The process ends this long after the signal whatever happens; when it is not set, at least 7 s more than the window. Keep the orchestrator's grace period longer.
        deadline: Span = Span(limits::DRAIN_DEADLINE_DEFAULT), Span::secs(0) => Span::secs(3660);
    }

    /// What the node says about itself, on standard error.
    Log log {
        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text;
        /// The least important level that is written.
        level: LogLevel = LogLevel("info".into());
    }
}

/// Whether there is a section of this name.
pub(super) fn is_section(name: &str) -> bool {
    all_keys().iter().any(|key| key.section == name)
}
