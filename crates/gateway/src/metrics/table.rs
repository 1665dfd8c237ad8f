//! Every metric, described once.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process on.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its full name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The one label that it may have.
    pub label: Option<&'static str>,
    /// What it says, in a sentence or two.
    pub help: &'static str,
}

const fn first(labels: &[&'static str]) -> Option<&'static str> {
    match labels {
        [] => None,
        [label, ..] => Some(*label),
    }
}

macro_rules! metrics {
    ($( $name:ident : $kind:ident $text:literal $([$label:literal])? = $help:literal; )+) => {
        $(
            #[doc = $help]
            pub const $name: Metric = Metric {
                name: $text,
                kind: Kind::$kind,
                label: first(&[$($label)?]),
                help: $help,
            };
        )+

        /// Every metric in the order of the documentation.
        pub const ALL: &[&Metric] = &[$(&$name),+];
    };
}

metrics! {
    BUILD_INFO: Gauge "fanfare_build_info" ["version"] = "1, with the version that runs.";
    UPTIME: Gauge "fanfare_uptime_seconds" = "Seconds since the node started.";
    READY: Gauge "fanfare_ready" = "1 while /readyz says so.";

    ACCEPTING: Gauge "fanfare_accepting" = "1 while /readyz?accept=1 says so: balancers may send clients here.";
    THREAD_SILENCE: Gauge "fanfare_thread_silence_seconds" ["thread"] = "For how long the thread was not seen to take a turn, as far as somebody asked: accept, core (the worst of the connection threads), feed, ingest, store. From admin.stuck_after on it is stuck.";
    DRAINING: Gauge "fanfare_draining" = "1 while the node drains; fanfare_sessions then counts down to 0.";
    LOG_DROPPED: Counter "fanfare_log_lines_dropped_total" = "Log lines dropped because whatever reads standard error did not, for all nodes of the process.";

    CONNECTIONS: Gauge "fanfare_connections" = "Open client sockets of every kind.";
    CONNECTIONS_LIMIT: Gauge "fanfare_connections_limit" = "Client sockets above which subscriptions are refused: admission.max_connections, or what the limit of open files leaves.";
    SILENT: Gauge "fanfare_silent_connections" = "Open client sockets without a request under way: none has come yet, or only part of one, or they are kept for another.";
    DESCRIPTORS_LIMIT: Gauge "fanfare_descriptors_limit" = "Files that the node may open, after it has raised its soft limit; 0: no limit.";
    SESSIONS: Gauge "fanfare_sessions" = "Open event streams.";
    SESSIONS_LAGGING: Gauge "fanfare_sessions_lagging" ["state"] = "Event streams that were, when each was last looked at (once in delivery.heartbeat): blocked (the client's socket took nothing), behind (not given everything yet that the channels hold; the blocked ones are mostly among them).";
    PRIME_SECONDS: Histogram "fanfare_prime_seconds" = "From a subscription to the beginning of its stream, for those that began: how long their channels took to open.";
    SESSIONS_OPENED: Counter "fanfare_sessions_opened_total" = "Event streams opened and primed.";
    SESSIONS_ENDED: Counter "fanfare_sessions_ended_total" ["cause"] = "Event streams ended: client (went away), error (a write failed), drain, refused (its channels could not be opened), broken (a frame could not be completed), stalled (took nothing for delivery.stalled), expired (what the client is allowed by is about to end, or has come into doubt), revoked (it was taken back).";
    SUBSCRIPTIONS: Gauge "fanfare_subscriptions" = "Channels summed over event streams.";
    REFUSALS: Counter "fanfare_refusals_total" ["reason"] = "Clients refused: draining, connections, address, rate, unavailable (its channels could not be opened in time), overflow (socket dropped unread), untrusted (likewise: no trusted proxy, with the PROXY protocol), silent (had no request under way and made room), subject (too many streams of it are open), address_rate and subject_rate (too many subscriptions at once), address_channels and subject_channels (too many channels in them), publishes (too many events of a subject, or of an address without one; nothing was published).";
    ACCEPTED: Counter "fanfare_accepted_connections_total" ["listener"] = "Client connections accepted, by the address of the listener, those that were dropped unread included.";
    ACCEPT_ERRORS: Counter "fanfare_accept_errors_total" = "Failures to accept that are not about one connection: no descriptor left, no memory.";
    PROXY_ERRORS: Counter "fanfare_proxy_errors_total" ["kind"] = "What trusted proxies said of a client and could not be read: header (the forwarding header of a subscription, which then counts for the proxy that wrote it), protocol (a PROXY header that was missing, wrong or late; the connection was closed).";
    TLS_HANDSHAKES: Counter "fanfare_tls_handshakes_total" ["result"] = "TLS handshakes of clients: established, failed (no common version or cipher, a certificate that is not believed, what is no TLS, or a client that hung up), late (not done in `limits.head_timeout`), plain (the client spoke HTTP, and was answered 400).";
    HTTP2_CONNECTIONS: Counter "fanfare_http2_connections_total" = "Client connections that spoke HTTP/2.";
    HTTP2_STREAMS: Counter "fanfare_http2_streams_total" = "Requests over them, those included whose clients took them back.";
    HTTP2_UNSENT: Gauge "fanfare_http2_unsent_bytes" = "Bytes of answers over HTTP/2 that their clients have not let the node send. From 64 MiB on each stream gets 1 KiB at a time instead of 16.";
    HTTP2_GOAWAYS: Counter "fanfare_http2_goaways_total" ["code"] = "What clients were told at the end of their HTTP/2 connections: no_error (the node drains, another one may take what it refused, or nothing was asked for too long), enhance_your_calm (they caused too much work), or what they did wrong.";
    HTTP2_FLOODS: Counter "fanfare_http2_floods_total" ["frame"] = "HTTP/2 connections that were ended because their clients sent too many frames without a request: reset, settings, ping, other (window updates, priorities, empty or unknown ones).";
    DENIED: Counter "fanfare_denied_total" ["reason"] = "Requests that were not allowed: missing (no token), invalid (or the application does not know who asks, the ticket is unknown, or a client's certificate gives nothing), expired (less than auth.expired_grace ago, or a ticket or the proof by a certificate that is over), forbidden (a genuine token, ticket or certificate, or the application, does not allow it), unavailable (the keys of its issuer are not to be had, the application or the store of tickets gives no clear answer, or tickets are off here), cross_site (a token in a cookie or a browser's certificate, and a page of another site), undecided (not decided in time), unchecked (its client has sent many invalid tokens lately, or many tickets that brought no stream), revoked (its token, its ticket or its channel was), revocations_unknown (it is not known what is revoked: see fanfare_revocations_behind_seconds).";
    DENIED_RIGHTS: Counter "fanfare_denied_rights_total" ["right"] = "The same by what was asked for: subscribe, publish, history, tickets.";
    REVOCATIONS: Gauge "fanfare_revocations" = "Revocations in force that the node knows; without auth.enabled it asks for none.";
    REVOCATIONS_BEHIND: Gauge "fanfare_revocations_behind_seconds" = "For how long the node has not known all that is revoked, as far as that was noticed: since the start, since the feed was away, or since something was announced in the log that it cannot read. Until it knows, requests with a token are refused politely, and streams that need one get nothing. 0: it knows.";
    REVOCATION_LAPSES: Counter "fanfare_revocation_lapses_total" = "How often it was not known any more what is revoked, so that streams that need a token got nothing for a moment or longer. Often: a message takes more than 0.5 s to Redis and back (fanfare_probe_round_trip_seconds), or an entry of the log more than 0.3 s to be read.";
    REVOCATION_ENTRIES: Counter "fanfare_revocation_entries_total" ["kind"] = "Entries of the log of revocations: read, garbage (none of ours; passed over), unknown (of a version that this one does not understand; passed over). Of those that were read, kept_otherwise: by a writer whose auth.max_token_lifetime, auth.leeway, forward_auth.max_lifetime or auth.client_certificates.max_lifetime are others.";
    REVOCATION_GAPS: Counter "fanfare_revocation_gaps_total" ["reason"] = "Places where that log was not contiguous. trimmed is harmless, but for trimmed_early (counted as both): what is gone may be in force. reset (deleted, evicted or set back) and the others mean that the node reads the log from its beginning, and that nodes which start later do not know what was revoked before; but for unavailable, streams that need a grant come back within a minute, to be judged again.";
    REVOKE_REQUESTS: Counter "fanfare_revoke_requests_total" ["outcome"] = "Revocations that were asked for on the admin listener: stored, rejected (the log is full, or the clock of Redis far behind), denied, refused (by Redis, for now), unreachable (nothing was written), unknown (no answer came).";
    TLS_RELOADS: Counter "fanfare_tls_reloads_total" ["result"] = "Looks at files of certificates that had changed, or were asked for by SIGHUP: replaced (new connections of a listener are shown what stands in them now), failed (they cannot be used: the listener goes on showing what it showed; the log says why, and each look, every 5 s, counts until they can).";
    TLS_EXPIRY: Gauge "fanfare_tls_certificate_expiry_seconds" ["certificate"] = "When the certificate that is shown ends, in Unix seconds, by its file. Where several listeners show one file, the earliest of what they show.";
    KEY_SET_KEYS: Gauge "fanfare_key_set_keys" ["issuer"] = "Keys of an issuer with a jwks_url, as they were read last.";
    KEY_SET_AGE: Gauge "fanfare_key_set_age_seconds" ["issuer"] = "How long ago they were read; before that, for how long the node runs. From max_key_age on they are believed no more.";
    KEY_SET_LOOKS: Counter "fanfare_key_set_looks_total" ["issuer"] = "How often they were looked for.";
    KEY_SET_FAILURES: Counter "fanfare_key_set_failures_total" ["issuer"] = "How often they could not be read; /status and the log say why.";
    FORWARD_AUTH: Counter "fanfare_forward_auth_total" ["result"] = "What the application of forward_auth said of requests: allowed, denied (401, 403, or it allowed something else), failed (no clear answer in time; the log says why), kept (it allowed the same a moment ago), refused (not asked: too many questions waited, or too many of one address).";
    FORWARD_FAILURES: Counter "fanfare_forward_auth_failures_total" ["reason"] = "Why it gave no clear answer: no_place (for the question, in its time), timeout (of the answer, the connection or the look at its name), connection (it broke, or there was none; certificates), redirect, status (another than 2xx, 401 and 403), answer (a 2xx that does not say clearly what is allowed).";
    FORWARD_ASKING: Gauge "fanfare_forward_auth_asking" = "Questions to it that are under way, of forward_auth.concurrency.";
    FORWARD_SECONDS: Histogram "fanfare_forward_auth_seconds" = "From asking it to its answer, or until there will be none, without the wait for a place.";
    REQUESTS: Counter "fanfare_requests_total" = "HTTP requests of every kind.";
    REQUEST_ERRORS: Counter "fanfare_request_errors_total" ["kind"] = "HTTP requests that failed: client (4xx), server (5xx), malformed, timeout.";
    HTTP_PUBLISHED: Counter "fanfare_http_published_total" = "Events accepted by POST.";
    PUBLISH_SECONDS: Histogram "fanfare_http_publish_seconds" = "From asking the store to publish what came by POST to its answer, or to the error in place of one.";
    PUBLISH_ERRORS: Counter "fanfare_http_publish_errors_total" ["kind"] = "Publishes by POST that failed: rejected (the request itself is wrong), denied (the store refuses until somebody changes something), refused (it refuses at present: full, read-only, loading), unreachable (nothing was sent to it), unknown (no answer: the event may have been published). But for the last, nothing was published.";
    HTTP_BUSY: Counter "fanfare_http_busy_total" ["kind"] = "Requests answered 503 because as much of their kind is under way as may be: publish (bytes of bodies), history (answers), ticket (bytes of orders), count (requests that wait for the number of readers of a channel).";
    TICKETS: Counter "fanfare_tickets_made_total" = "Tickets made by POST /tickets.";
    TICKETS_REFUSED: Counter "fanfare_tickets_refused_total" = "Requests for a ticket answered 429: as many were made for their payer lately as may be.";
    TICKET_USES: Counter "fanfare_ticket_uses_total" ["result"] = "Tickets that came with a request for a stream: first (it was used for the first time), again (by a client that comes back), over (204), unknown (not used in time, or none: 401), unasked (the store gave no answer: refused politely).";
    HISTORY_PAGES: Counter "fanfare_history_pages_total" = "Pages of history served.";
    COUNTS: Counter "fanfare_counts_total" = "Requests for the number of readers of a channel (GET /channels/{channel}) that were answered.";
    COUNTS_REFUSED: Counter "fanfare_counts_refused_total" = "Those that were answered 429: the store was asked as often for their payer lately as it may be.";

    DELIVERIES: Counter "fanfare_deliveries_total" = "Events handed to sockets, durable and ephemeral.";
    BYTES: Counter "fanfare_sent_bytes_total" = "Bytes handed to the sockets of event streams.";
    WRITES: Counter "fanfare_writes_total" = "Writes to the sockets of event streams.";
    BLOCKED: Counter "fanfare_writes_blocked_total" = "Writes that found the socket full: the client reads more slowly than events come.";
    HEARTBEATS: Counter "fanfare_heartbeats_total" = "Heartbeats sent.";
    GAPS: Counter "fanfare_gaps_total" ["reason"] = "$gap events sent: trimmed, reset, unknown_position, too_large, lagging, unavailable.";
    LAG: Histogram "fanfare_publish_to_write_seconds" = "From an event's id (the clock of Redis) to its write, for events that were live for their reader, counted per delivery. Whole milliseconds; it means something while the clocks agree.";

    CHANNELS: Gauge "fanfare_channels" = "Channels followed, lingering ones included.";
    CHANNELS_OPENED: Counter "fanfare_channels_opened_total" = "Channels that began to be followed.";
    CHANNELS_WAITING: Gauge "fanfare_channels_waiting" ["state"] = "Channels of which something is awaited: unprimed (it is not known yet where the stream ends, so that streams of it cannot begin; refused ones are not counted), paging (a page is wanted or being read for clients that are behind), failing (a read failed, and none of its kind has succeeded since).";
    CHANNELS_WAITING_SECONDS: Gauge "fanfare_channels_waiting_seconds" ["state"] = "For how long the first of them has been in that state; paging counts from the last page.";
    CHANNELS_WRONG_TYPE: Gauge "fanfare_channels_wrong_type" = "Channels that are refused because their keys hold something else than a stream.";
    INGEST_TURNS: Histogram "fanfare_ingest_turn_seconds" = "How long the turns of the ingest took, which keeps all channels: its rate of seconds per second is how busy its thread is.";
    INGEST_LONGEST: Gauge "fanfare_ingest_longest_turn_seconds" = "The longest of them in the last minute or two.";
    CHANNELS_REFUSED: Counter "fanfare_channels_refused_total" = "Channels that were asked for and had no place: limits.channels_per_node, or the share of a client that holds many.";
    TAIL_BYTES: Gauge "fanfare_tail_bytes" = "Bytes held for the recent part of channels and for archive pages.";
    TAIL_BUDGET: Gauge "fanfare_tail_budget_bytes" = "Target for fanfare_tail_bytes: tail.budget.";
    TAIL_EVICTIONS: Counter "fanfare_tail_evictions_total" = "Entries and pages evicted for the budget; the archive still has them.";

    FEED_CONNECTED: Gauge "fanfare_feed_connected" = "1 while the Pub/Sub connection is up.";
    FEED_CONNECTS: Counter "fanfare_feed_connects_total" = "Times the Pub/Sub connection was opened; the first is no reconnect.";
    PROBE_ROUND_TRIP: Gauge "fanfare_probe_round_trip_seconds" = "How long the last message took that came back by the Pub/Sub path, or the answer that stands in for it; 0 before the first.";
    PROBE_AGE: Gauge "fanfare_probe_age_seconds" = "Seconds since a message last made its way around the Pub/Sub path; since the start if none has.";
    FEED_EVENTS: Counter "fanfare_feed_events_total" ["kind"] = "What the feed brought: entry (with its id), ephemeral, doorbell (asks for a read), duplicate, malformed, overflow (dropped for lack of room; the channel was read instead), shed (an ephemeral event dropped for lack of room).";
    FEED_UNFOUNDED: Counter "fanfare_feed_unfounded_pushes_total" = "Messages that named an entry which the stream does not have: with redis.pushes = verified, and for the gateway's own logs, of all; otherwise of those that are looked up now and then. The node is on another database than the publishers, or somebody forges messages. An entry that was retracted, or a stream that was deleted, right behind its message counts as well.";
    SUBSCRIPTIONS_REFUSED: Gauge "fanfare_feed_refused_channels" = "Channels that Redis refuses at present, by its ACL: the subscription, or the first read. Those for which the node has no place are in fanfare_channels_refused_total.";
    REPAIRED: Counter "fanfare_repaired_entries_total" = "Entries that no push brought and the archive had.";
    VERIFIED: Counter "fanfare_verified_entries_total" = "Entries that were read because messages had named entries of their channel, where messages are not believed: with redis.pushes = verified, and in the gateway's own logs. They are no repairs.";
    RECONCILES: Counter "fanfare_reconciles_total" ["outcome"] = "Comparisons of a channel with its Stream: same, or differs (and was repaired).";
    SEAMS: Counter "fanfare_log_gaps_total" ["reason"] = "Discontinuities found in followed channels, each counted once however many clients it reaches: trimmed, reset, unknown_position, too_large, lagging, unavailable.";

    OCCUPANCY_CHANNELS: Gauge "fanfare_occupancy_channels" ["state"] = "Channels whose readers are counted: counted (they have readers on this node), watched (somebody on this node is told by $occupancy how many read them).";
    OCCUPANCY_ROUNDS: Counter "fanfare_occupancy_rounds_total" ["result"] = "Rounds that told the store how many readers this node has, or asked how many there are: done, failed (the store did not answer, or refused). A round a second at most.";
    OCCUPANCY_SECONDS: Histogram "fanfare_occupancy_round_seconds" = "How long rounds took that came to their end. One of more than 250 ms puts the next one off, so that rounds take at most a quarter of the time.";
    OCCUPANCY_NUMBERS: Counter "fanfare_occupancy_numbers_total" ["kind"] = "Numbers of readers of a channel in rounds: written (of this node, when it has changed) and asked (of all nodes, in each round, of each channel of which a stream of this node wants to know it). What GET /channels/{channel} asks is not among them.";
    OCCUPANCY_LIVES: Counter "fanfare_occupancy_lives_total" = "Names under which this node has counted readers. It takes another one, and writes all numbers again, when it is not sure that the store counts it: after it stood still for 1.8 s, after an error, when the store lost its data.";
    OCCUPANCY_LAG: Gauge "fanfare_occupancy_lag_seconds" = "Seconds since the last round began that came to its end: how old the numbers are that this node gives and is told. 0 where no readers are counted.";
    MIN_LIFE_BROKEN: Counter "fanfare_min_life_broken_total" ["seen"] = "Streams that were seen to live shorter than min_life promises: expiry (PTTL says that one will expire too early) or end (one that was followed is gone). Their channels fall back to 60 s for the time before.";
    STREAMS_EXPIRE_BROKEN: Counter "fanfare_streams_expire_broken_total" = "Channels whose stream was seen to expire (PTTL), or was gone when a message of it was looked for, though redis.streams_expire is false. On a Redis that evicts keys that expire an absence of theirs proves nothing until the node restarts.";
    ARCHIVE_READS: Counter "fanfare_archive_reads_total" ["purpose"] = "Reads of Redis Streams: head (repair or extend a tail) or page (clients that are behind).";
    ARCHIVE_SHARED: Counter "fanfare_archive_shared_total" = "Clients (by address) whose wish for a page was answered by a read that another one's had caused (single flight).";
    ARCHIVE_FAILED: Counter "fanfare_archive_failures_total" = "Reads that failed and were tried again.";
    ARCHIVE_THROTTLED: Counter "fanfare_archive_throttled_seconds_total" = "Time in which clients waited for pages for no other reason than archive.bytes_per_second.";
    ARCHIVE_COMMANDS: Histogram "fanfare_archive_command_seconds" = "From sending a command or transaction that reads the archive, history over HTTP included, to its answer or its failure.";
    ARCHIVE_WAITS: Histogram "fanfare_archive_wait_seconds" = "How long such commands waited for a free connection of redis.pool_size before.";
    ARCHIVE_PROBE_AGE: Gauge "fanfare_archive_probe_age_seconds" = "Seconds since a read of a stream of the node's own last succeeded; since the start if none has.";
    ARCHIVE_BYTES: Counter "fanfare_archive_read_bytes_total" = "Bytes of entries in answers of Redis.";
    FOREIGN: Counter "fanfare_foreign_entries_total" ["kind"] = "Entries read that other producers wrote in their own way: event_name (not valid, delivered as message), no_data (delivered as a JSON object of its fields).";
}
