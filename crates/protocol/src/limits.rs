//! Every limit and default of Fanfare, named once and checked against each other.
//!
//! `*_MAX` is what nothing may exceed, configuration included. `*_DEFAULT` is what holds where the
//! configuration says nothing. `*_MIN` is the least that configuration may say. Sizes are in bytes
//! where the name says so, counts otherwise; times are [`Duration`]s.

use crate::EntryId;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

// --- Names ---------------------------------------------------------------------------------

/// Longest channel name, in bytes.
pub const CHANNEL_NAME_MAX: usize = 255;
/// Longest event name, in bytes.
pub const EVENT_NAME_MAX: usize = 255;
/// Longest Redis prefix, in bytes.
pub const PREFIX_BYTES_MAX: usize = 64;
/// Longest DEDUP key of a publish, in bytes.
pub const DEDUP_KEY_BYTES_MAX: usize = 255;

// --- Events and frames ---------------------------------------------------------------------

/// `limits.event_bytes`: largest data of an event that is delivered, in bytes.
pub const EVENT_BYTES_DEFAULT: usize = MIB;
/// The most that `limits.event_bytes` may say, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 * MIB;
/// Bytes of a frame for each byte of data, at worst: an empty line becomes `data:` and its break.
pub const FRAME_BYTES_PER_DATA_BYTE_MAX: usize = 6;
/// Bytes of a frame beyond its data, at worst: chunk framing, id, event name, last line.
pub const FRAME_OVERHEAD_BYTES_MAX: usize = 512;
/// Frames (and so slices) in one vectored write.
pub const WRITE_FRAMES_MAX: usize = 64;

// --- Requests ------------------------------------------------------------------------------

/// `limits.channels_per_connection`: channels of one stream.
pub const CHANNELS_PER_CONNECTION_DEFAULT: usize = 64;
/// The most that `limits.channels_per_connection` may say.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 256;
/// Longest position of any number of channels, in bytes: the version, then per channel the widest
/// tag, the long form of an id and a separator.
pub const POSITION_BYTES_MAX: usize = position_bytes_max(CHANNELS_PER_CONNECTION_MAX);
/// Longest position that a cross-origin reconnect sends without a CORS preflight, in bytes
/// (web-platform-tests `eventsource-cross-origin-preflight`).
pub const POSITION_BYTES_SAFE: usize = 128;
/// Least value of `limits.url_bytes`: a path and a channel of usual length.
pub const URL_BYTES_MIN: usize = 256;
/// `limits.url_bytes`: longest request target, in bytes.
pub const URL_BYTES_DEFAULT: usize = 8 * KIB;
/// `limits.header_bytes`: largest request head, in bytes.
pub const HEADER_BYTES_DEFAULT: usize = 16 * KIB;
/// How long a client may take to send a request's head.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The same while the node drains: browsers open connections in advance and leave them.
pub const REQUEST_HEAD_TIMEOUT_DRAINING: Duration = Duration::from_secs(2);
/// `limits.body_timeout`: how long a client may take to send a request's body.
pub const REQUEST_BODY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// How long a client may take to read a response that is not a stream.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// `server.keep_alive`: how long an idle connection is kept for another request.
pub const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(60);
/// After the last byte of a response, how long the client's remaining bytes are read and thrown away.
pub const CLOSE_LINGER: Duration = Duration::from_secs(1);
/// And how many of them.
pub const CLOSE_LINGER_BYTES_MAX: usize = MIB;
/// How long a request that needs the store waits, for a free connection to it as well.
pub const STORE_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a subscription waits for the decision whether it may be, once it has a place.
pub const DECISION_TIMEOUT: Duration = Duration::from_secs(5);
/// Subscriptions of a node that wait for such a decision. One more is refused politely.
pub const DECISIONS_WAITING_MAX: usize = 1_024;
/// `delivery.subscribe_timeout`: how long a new stream waits for its channels to open.
pub const SUBSCRIBE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// `limits.last_max`: the most entries that `last=N` may ask for, per channel.
pub const LAST_MAX_DEFAULT: usize = 1000;
/// `limits.cursor_age`: how old, by the milliseconds in its id, a position may be to be resumed
/// from; an older one is a `$gap`. `None`: as old as the stream retains.
pub const CURSOR_AGE_DEFAULT: Option<Duration> = None;

// --- Delivery ------------------------------------------------------------------------------

/// `delivery.heartbeat`: longest silence on an idle stream.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(15);
/// The least that `delivery.heartbeat` may say.
pub const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
/// The most that `delivery.heartbeat` may say.
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(30);
/// `delivery.coalesce_ms`: how long due frames wait for company.
pub const COALESCE_DEFAULT: Duration = Duration::ZERO;
/// The most that `delivery.coalesce_ms` may say.
pub const COALESCE_MAX: Duration = Duration::from_secs(1);
/// `delivery.retry_ms`: middle of the jittered `retry:` that opens a stream.
pub const RETRY_DEFAULT: Duration = Duration::from_secs(2);
/// `delivery.max_behind`: how old the next event of a client may be before it gets `$gap` `lagging`.
/// `None`: as many as the stream retains.
pub const MAX_BEHIND_DEFAULT: Option<Duration> = None;
/// `server.tcp_user_timeout`: how long a peer may acknowledge nothing, though asked, before it
/// counts as dead.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);
/// `server.unsent_bytes`: bytes of one stream that the kernel holds before they are sent, about
/// (`TCP_NOTSENT_LOWAT`).
pub const TCP_UNSENT_BYTES_DEFAULT: usize = 128 * KIB;
/// Idle time after which TCP asks whether the peer is still there.
pub const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

// --- Tail and channels ---------------------------------------------------------------------

/// `tail.budget`: memory for the recent entries of all channels of a node, in bytes.
pub const TAIL_BUDGET_BYTES_DEFAULT: usize = 256 * MIB;
/// `tail.channel_bytes`: memory for the recent entries of one channel, in bytes.
pub const TAIL_CHANNEL_BYTES_DEFAULT: usize = 16 * MIB;
/// `tail.channel_entries`: recent entries of one channel.
pub const TAIL_CHANNEL_ENTRIES_DEFAULT: usize = 4096;
/// `channel.linger`: how long a channel stays open after its last cursor.
pub const CHANNEL_LINGER_DEFAULT: Duration = Duration::from_secs(30);
/// Channels that one node follows at most.
pub const CHANNELS_PER_NODE_DEFAULT: usize = 200_000;

// --- Archive -------------------------------------------------------------------------------

/// `archive.concurrency`: archive reads at a time.
pub const ARCHIVE_CONCURRENCY_DEFAULT: usize = 8;
/// `archive.page_bytes`: target size of a page, in bytes; one larger entry is a page of its own.
pub const ARCHIVE_PAGE_BYTES_DEFAULT: usize = 256 * KIB;
/// How long a page of the archive is kept for the reader that asked for it, beside twice `delivery.coalesce_ms`.
pub const ARCHIVE_PAGE_PATIENCE: Duration = Duration::from_millis(100);
/// Entries of one page.
pub const ARCHIVE_PAGE_ENTRIES_MAX: usize = 1000;
/// `archive.bytes_per_second`: node-wide rate of archive reads, in bytes per second.
pub const ARCHIVE_BYTES_PER_SECOND_DEFAULT: usize = 64 * MIB;

/// Streams whose ends are asked for in one request.
pub const TIPS_PER_REQUEST_MAX: usize = 256;
/// Such requests at a time.
pub const TIP_REQUESTS_MAX: usize = 2;
/// Channels whose entry sizes are remembered, to choose how many entries make a page.
pub const ENTRY_SIZES_TRACKED_MAX: usize = 65_536;

// --- Redis and the feed --------------------------------------------------------------------

/// `redis.pool_size`: connections for archive reads.
pub const REDIS_POOL_SIZE_DEFAULT: usize = 8;
/// `redis.command_timeout`: deadline of a command.
pub const REDIS_COMMAND_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// `redis.probe_interval`: time between two proofs that the Pub/Sub path works.
pub const REDIS_PROBE_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// `redis.probe_timeout`: deadline of such a proof.
pub const REDIS_PROBE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// Age of the last proof at which a node is no longer ready: one proof may fail.
pub const READY_PROBE_AGE_MAX_DEFAULT: Duration = Duration::from_secs(15);
/// `redis.reconcile_interval`: time in which every followed channel is compared with the archive.
pub const REDIS_RECONCILE_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// Longest pause between two attempts to connect.
pub const REDIS_BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Channels in one SUBSCRIBE or UNSUBSCRIBE.
pub const SUBSCRIBE_BATCH_MAX: usize = 512;
/// Bytes of messages between the feed and the ingest.
pub const FEED_QUEUE_BYTES_MAX: usize = 32 * MIB;
/// Messages between the feed and the ingest.
pub const FEED_QUEUE_MESSAGES_MAX: usize = 65_536;

// --- Publishing ----------------------------------------------------------------------------

/// Entries that a stream keeps (approximately) when a publish does not say MAXLEN.
pub const STREAM_MAXLEN_DEFAULT: u64 = 10_000;
/// Shortest life of a stream's key, whatever TTL a publish asks for.
pub const STREAM_TTL_MIN: Duration = Duration::from_secs(60);
/// How long after [`crate::Position::Absent`] the first entry must come for the position to prove
/// continuity: within it no key that the function created can have come and gone.
pub const ABSENCE_PROOF: Duration = STREAM_TTL_MIN;
/// How long a DEDUP key is remembered when a publish does not say.
pub const DEDUP_WINDOW_DEFAULT: Duration = Duration::from_secs(600);

// --- Admission -----------------------------------------------------------------------------

/// `admission.max_connections`: connections of a node.
pub const CONNECTIONS_DEFAULT: usize = 100_000;
/// `admission.per_address`: connections of one client address. High, because a balancer in front
/// is one address.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 50_000;
/// `admission.connects_per_second`: connections that a node accepts in a second.
pub const CONNECTS_PER_SECOND_DEFAULT: usize = 50_000;
/// Connections beyond `admission.max_connections` that are accepted to be told so, politely.
pub const CONNECTIONS_HEADROOM: usize = 1_024;
/// The same beyond `admission.per_address`, for each address.
pub const CONNECTIONS_PER_ADDRESS_HEADROOM: usize = 16;
/// Connections that may wait in the kernel to be accepted, which caps it itself (`net.core.somaxconn`).
pub const LISTEN_BACKLOG_DEFAULT: u32 = 4_096;
/// Accepted sockets on their way to one connection thread.
pub const HANDOFF_MAX: usize = 1_024;
/// Addresses whose connections and refusals are remembered.
pub const ADDRESSES_TRACKED_MAX: usize = 65_536;
/// Least `retry:` of a refusal.
pub const REFUSAL_RETRY_MIN: Duration = Duration::from_secs(5);
/// Most `retry:` of a refusal, however often an address comes back.
pub const REFUSAL_RETRY_MAX: Duration = Duration::from_secs(120);

// --- History -------------------------------------------------------------------------------

/// Entries of a history page when the request does not say.
pub const HISTORY_LIMIT_DEFAULT: usize = 100;
/// `history.max_limit`: the most entries that a history request may ask for.
pub const HISTORY_LIMIT_MAX_DEFAULT: usize = 1000;

// --- Drain ---------------------------------------------------------------------------------

/// `drain.window`: time over which the ends of the sessions are spread.
pub const DRAIN_WINDOW_DEFAULT: Duration = Duration::from_secs(20);
/// `drain.deadline`: time after which the process ends, whatever is still open.
pub const DRAIN_DEADLINE_DEFAULT: Duration = Duration::from_secs(27);

// --- What must hold between them -----------------------------------------------------------

const fn frame_bytes_max(event_bytes: usize) -> usize {
    event_bytes * FRAME_BYTES_PER_DATA_BYTE_MAX + FRAME_OVERHEAD_BYTES_MAX
}

const fn less(left: Duration, right: Duration) -> bool {
    left.as_millis() < right.as_millis()
}

const _: () = {
    assert!(EVENT_BYTES_DEFAULT <= EVENT_BYTES_MAX);
    assert!(CHANNELS_PER_CONNECTION_DEFAULT <= CHANNELS_PER_CONNECTION_MAX);
    // A name, an id and the chunk framing fit into what a frame may add to its data.
    assert!(EVENT_NAME_MAX + EntryId::TEXT_MAX + 64 <= FRAME_OVERHEAD_BYTES_MAX);
    // The largest event fits into a tail, and every channel's tail into the node's.
    assert!(frame_bytes_max(EVENT_BYTES_DEFAULT) <= TAIL_CHANNEL_BYTES_DEFAULT);
    assert!(frame_bytes_max(EVENT_BYTES_MAX) <= TAIL_BUDGET_BYTES_DEFAULT);
    assert!(TAIL_CHANNEL_BYTES_DEFAULT <= TAIL_BUDGET_BYTES_DEFAULT);
    // The feed can hand over the largest event, and a full SUBSCRIBE batch of messages.
    assert!(EVENT_BYTES_MAX < FEED_QUEUE_BYTES_MAX);
    assert!(SUBSCRIBE_BATCH_MAX <= FEED_QUEUE_MESSAGES_MAX);
    // A node that asks for the newest N entries, or pages, can hold them.
    assert!(LAST_MAX_DEFAULT <= TAIL_CHANNEL_ENTRIES_DEFAULT);
    assert!(ARCHIVE_PAGE_ENTRIES_MAX <= TAIL_CHANNEL_ENTRIES_DEFAULT);
    assert!(ARCHIVE_PAGE_BYTES_DEFAULT <= TAIL_CHANNEL_BYTES_DEFAULT);
    assert!(ARCHIVE_CONCURRENCY_DEFAULT <= REDIS_POOL_SIZE_DEFAULT);
    assert!(ARCHIVE_CONCURRENCY_DEFAULT * ARCHIVE_PAGE_BYTES_DEFAULT <= ARCHIVE_BYTES_PER_SECOND_DEFAULT);
    assert!(HISTORY_LIMIT_DEFAULT <= HISTORY_LIMIT_MAX_DEFAULT);
    // Every position that a node writes can come back in a request's head.
    assert!(POSITION_BYTES_MAX < HEADER_BYTES_DEFAULT);
    assert!(CHANNEL_NAME_MAX * 3 < URL_BYTES_DEFAULT);
    assert!(CONNECTIONS_PER_ADDRESS_DEFAULT <= CONNECTIONS_DEFAULT);
    // A wait for a decision has one of the places for sessions.
    assert!(DECISIONS_WAITING_MAX < CONNECTIONS_DEFAULT);
    assert!(CONNECTIONS_PER_ADDRESS_HEADROOM < CONNECTIONS_HEADROOM && CONNECTIONS_HEADROOM < CONNECTIONS_DEFAULT);
    // A burst that waits in the kernel is told politely when it does not fit, once it is handed over.
    assert!(HANDOFF_MAX <= LISTEN_BACKLOG_DEFAULT as usize);
    // Every channel that a node may follow is asked about within a reconcile interval, many times over.
    assert!(CHANNELS_PER_NODE_DEFAULT / TIPS_PER_REQUEST_MAX <= 1_000 * TIP_REQUESTS_MAX);
    // What a client sent beyond a refused request is read away, as long as it is no larger than an event.
    assert!(CLOSE_LINGER_BYTES_MAX >= EVENT_BYTES_DEFAULT && CLOSE_LINGER_BYTES_MAX > HEADER_BYTES_DEFAULT);
};

const _: () = {
    // A heartbeat refreshes a position of nothing well before it stops proving anything.
    assert!(less(HEARTBEAT_MIN, HEARTBEAT_DEFAULT));
    assert!(HEARTBEAT_DEFAULT.as_millis() * 2 < ABSENCE_PROOF.as_millis());
    assert!(ABSENCE_PROOF.as_millis() <= STREAM_TTL_MIN.as_millis());
    assert!(less(COALESCE_DEFAULT, COALESCE_MAX) && less(COALESCE_MAX, HEARTBEAT_DEFAULT));
    // A channel stays open while the clients of a lost connection come back.
    assert!(less(RETRY_DEFAULT, CHANNEL_LINGER_DEFAULT));
    assert!(less(RETRY_DEFAULT, REFUSAL_RETRY_MIN) && less(REFUSAL_RETRY_MIN, REFUSAL_RETRY_MAX));
    // Proofs do not overlap, and one may fail before readiness does.
    assert!(less(REDIS_PROBE_TIMEOUT_DEFAULT, REDIS_PROBE_INTERVAL_DEFAULT));
    assert!(
        2 * REDIS_PROBE_INTERVAL_DEFAULT.as_millis() + REDIS_PROBE_TIMEOUT_DEFAULT.as_millis()
            < READY_PROBE_AGE_MAX_DEFAULT.as_millis()
    );
    assert!(less(REDIS_COMMAND_TIMEOUT_DEFAULT, REDIS_RECONCILE_INTERVAL_DEFAULT));
    // A command has its own deadline before the request that waits for it gives up.
    assert!(less(REDIS_COMMAND_TIMEOUT_DEFAULT, STORE_ANSWER_TIMEOUT));
    // A stream that cannot begin is refused before its client gives up on a silent response.
    assert!(SUBSCRIBE_TIMEOUT_DEFAULT.as_millis() * 2 < HEARTBEAT_DEFAULT.as_millis());
    assert!(DECISION_TIMEOUT.as_millis() + SUBSCRIBE_TIMEOUT_DEFAULT.as_millis() < HEARTBEAT_DEFAULT.as_millis());
    assert!(less(REQUEST_HEAD_TIMEOUT_DRAINING, REQUEST_HEAD_TIMEOUT));
    // What a drain waits for beside its sessions is over by its deadline.
    assert!(
        DRAIN_WINDOW_DEFAULT.as_millis() + REQUEST_HEAD_TIMEOUT_DRAINING.as_millis() + CLOSE_LINGER.as_millis()
            < DRAIN_DEADLINE_DEFAULT.as_millis()
    );
    assert!(
        DRAIN_WINDOW_DEFAULT.as_millis() + DECISION_TIMEOUT.as_millis() + CLOSE_LINGER.as_millis()
            < DRAIN_DEADLINE_DEFAULT.as_millis()
    );
    // A reconcile happens within the life of any key.
    assert!(less(REDIS_RECONCILE_INTERVAL_DEFAULT, STREAM_TTL_MIN));
    // Sessions end before the deadline, and that before Kubernetes' default grace period of 30 s.
    assert!(less(DRAIN_WINDOW_DEFAULT, DRAIN_DEADLINE_DEFAULT));
    assert!(DRAIN_DEADLINE_DEFAULT.as_secs() < 30);
};

// --- Clients behind proxies ----------------------------------------------------------------

/// Most `retry:` of a refusal that the address did not cause itself: an overloaded or draining node, a store that is away.
pub const REFUSAL_RETRY_SHARED_MAX: Duration = Duration::from_secs(15);
/// `server.trusted_proxies`: networks in the list. Content delivery networks publish some twenty to two hundred.
pub const TRUSTED_PROXIES_MAX: usize = 256;
/// Elements of a forwarding header that are read, from the right: every one but the last must be a trusted proxy, and no
/// sensible chain has so many.
pub const FORWARDED_HOPS_MAX: usize = 32;
/// Longest header of the PROXY protocol, in bytes: 52 for addresses of IPv6, the rest for TLVs, of which a client's
/// certificate is the largest.
pub const PROXY_HEADER_BYTES_MAX: usize = 4 * KIB;

const _: () = {
    assert!(less(REFUSAL_RETRY_MIN, REFUSAL_RETRY_SHARED_MAX) && less(REFUSAL_RETRY_SHARED_MAX, REFUSAL_RETRY_MAX));
    // The smallest list that the specification of the PROXY protocol wants read: addresses of sockets of a file system.
    assert!(PROXY_HEADER_BYTES_MAX >= 16 + 216);
};

// --- Turns of a connection thread ----------------------------------------------------------

/// Readers of one channel that are woken before those of another channel have their turn.
pub const WAKES_OF_ONE_CHANNEL: usize = 8;
/// Readers that a connection thread wakes, at most, before sockets, new sessions and other channels have their turn.
pub const WAKES_PER_TURN_MAX: usize = 64;
/// The same where what they write is large: fewer would cost more than they save.
pub const WAKES_PER_TURN_MIN: usize = 4;
/// How long such a turn is to take, about: a turn that took longer makes the next ones smaller.
pub const WAKE_TURN_TARGET: Duration = Duration::from_millis(2);

/// Wants that readers who left may leave behind in a channel in any case. Beyond it, as many as others want.
pub const LEFT_WANTS_MIN: usize = 16;

const _: () = {
    assert!(0 < WAKES_PER_TURN_MIN && WAKES_PER_TURN_MIN <= WAKES_OF_ONE_CHANNEL);
    // A turn of the usual size has room for several channels.
    assert!(2 * WAKES_OF_ONE_CHANNEL <= WAKES_PER_TURN_MAX);
};

// --- The process itself: log lines, its end ------------------------------------------------

/// Log lines that wait for whatever reads standard error. One more is dropped and counted.
pub const LOG_QUEUE_LINES_MAX: usize = 4_096;
/// And their bytes.
pub const LOG_QUEUE_BYTES_MAX: usize = MIB;
/// How long the end of the process waits until the last lines are written.
pub const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long the threads of a process may take to end once they have been told to. Then it ends without them.
pub const END_TIMEOUT: Duration = Duration::from_millis(1_500);

const _: () = {
    // Whatever is stuck, the process ends before Kubernetes kills it (30 s after the signal).
    assert!(DRAIN_DEADLINE_DEFAULT.as_millis() + END_TIMEOUT.as_millis() + LOG_FLUSH_TIMEOUT.as_millis() < 30_000);
};

// --- Descriptors ---------------------------------------------------------------------------

/// Connections of the admin listener at a time: scrapers, probes and a few people.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Descriptors that a process keeps for itself, whatever its clients do, beside those of its core threads and of its pool:
/// the admin listener's connections (64); the runtimes of the other threads, five with four each (20); the feed, the control
/// connection and the publishing one, and as many again while they are replaced (6); name resolution (8); files that the
/// metrics of the process are read from (8); standard streams and the log (4); listeners and the spare one (3); and some
/// for what nobody thought of.
pub const DESCRIPTORS_RESERVED: usize = 128;
/// Descriptors of one core thread's runtime.
pub const DESCRIPTORS_PER_CORE: usize = 4;
/// The least that must be left for clients for a node to start.
pub const DESCRIPTORS_FOR_CLIENTS_MIN: usize = 32;

const _: () = {
    assert!(ADMIN_CONNECTIONS_MAX + 20 + 6 + 8 + 8 + 4 + 3 <= DESCRIPTORS_RESERVED);
};

// --- Silent sockets ------------------------------------------------------------------------

/// `admission.max_silent`: sockets of a node that have no request under way: they have sent none yet, or only part of one, or
/// keep the connection for another. Twice what two core threads are handed at once: clients of a storm that send their request
/// with their first packets are silent for less than a turn of their thread.
pub const SILENT_SOCKETS_DEFAULT: usize = 16_384;
/// `admission.silent_per_address`: the same of one client address. High, because a balancer in front is one address.
pub const SILENT_SOCKETS_PER_ADDRESS_DEFAULT: usize = 4_096;
/// Bytes that a client may send on its stream after the request. Clients have nothing to say there.
pub const STREAM_INPUT_BYTES_MAX: usize = 16 * KIB;

const _: () = {
    assert!(
        SILENT_SOCKETS_PER_ADDRESS_DEFAULT < SILENT_SOCKETS_DEFAULT && SILENT_SOCKETS_DEFAULT < CONNECTIONS_DEFAULT
    );
    assert!(2 * HANDOFF_MAX < SILENT_SOCKETS_PER_ADDRESS_DEFAULT);
    // A session counts them in 16 bits.
    assert!(STREAM_INPUT_BYTES_MAX < u16::MAX as usize);
};

// --- Publishes and history over HTTP -------------------------------------------------------

/// Bytes of the bodies of HTTP publishes in a node, from when a body is announced until the store has answered. One more is
/// answered 503.
pub const PUBLISH_BODIES_BYTES_MAX: usize = 64 * MIB;
/// Bytes that the body of a publish in JSON may have beyond twice the data: names, keys, braces. Twice, because of escapes.
pub const PUBLISH_ENVELOPE_BYTES: usize = 4 * KIB;
/// History answers of a node that are being made, or that their clients have not taken yet. One more is answered 503.
pub const HISTORY_ANSWERS_MAX: usize = 64;
/// History has connections to the store of its own, one for so many of those for streams; and one at least. As many history
/// requests read at a time.
pub const POOL_CONNECTIONS_PER_HISTORY_CONNECTION: usize = 4;

const _: () = {
    // The largest body that may be is taken while there is no other.
    assert!(2 * EVENT_BYTES_MAX + PUBLISH_ENVELOPE_BYTES <= PUBLISH_BODIES_BYTES_MAX);
    // Permits are asked for in 32 bits.
    assert!(PUBLISH_BODIES_BYTES_MAX < u32::MAX as usize);
};

// --- Who pays for channels and pages -------------------------------------------------------

/// Channels that gave up their place to another one and that the ingest has not closed yet: above so many, new channels are
/// refused. The ingest closes all of them in its next turn.
pub const CHANNELS_LEAVING_MAX: usize = 4096;
/// Names whose subscription Redis refused that are remembered: who asks for one of them is told without asking Redis.
pub const REFUSED_NAMES_MAX: usize = 16_384;
/// How long they are.
pub const REFUSED_NAME_AGE: Duration = Duration::from_secs(5);
/// SUBSCRIBE commands in one turn of the feed that look for refused names in a batch that was refused. Others wait for so many at
/// most.
pub const SUBSCRIBE_SUSPECTS_PER_TURN: usize = 4;

const _: () = {
    // One subscription can take the places of as many channels as it may name.
    assert!(CHANNELS_PER_CONNECTION_MAX < CHANNELS_LEAVING_MAX);
    // Who comes back as soon as a refusal allows finds nothing remembered for ever.
    assert!(REFUSED_NAME_AGE.as_millis() <= REFUSAL_RETRY_MIN.as_millis());
};

// --- The feed's queue ----------------------------------------------------------------------

/// Data of an event that the publishing function pushes, in bytes. Larger data it announces by a doorbell: a message above Redis'
/// `client-output-buffer-limit pubsub` (32 MB by default) would cut the connection of every node that follows the channel.
pub const PUSHED_DATA_BYTES_MAX: usize = MIB;
/// Messages that the ingest takes in before it looks at anything else: about a millisecond of work.
pub const FEED_TURN_MESSAGES: usize = 1_024;
/// Messages that the feed hands to the ingest in one step: some tens of microseconds under the queue's lock.
pub const FEED_HANDED_OVER_MAX: usize = 256;
/// Ephemeral messages of one channel that wait, times this, are at most what is free in the queue.
pub const FEED_SHARE_EPHEMERALS_DIVISOR: usize = 4;
/// Ephemeral messages of all channels that wait, times this, are at most the whole queue (and one message more).
pub const FEED_SHARE_EPHEMERALS_ALL_DIVISOR: usize = 2;
/// Other messages of one channel that wait are at most what is free in the queue, times this.
pub const FEED_SHARE_ENTRIES_FACTOR: usize = 4;
/// Longest pause of the feed after a connection that had brought something: it is as long as subscribing took.
pub const FEED_PAUSE_MAX: Duration = Duration::from_secs(1);

const _: () = {
    assert!(FEED_HANDED_OVER_MAX <= FEED_TURN_MESSAGES && FEED_TURN_MESSAGES <= FEED_QUEUE_MESSAGES_MAX);
    assert!(EVENT_BYTES_DEFAULT <= PUSHED_DATA_BYTES_MAX && PUSHED_DATA_BYTES_MAX < FEED_QUEUE_BYTES_MAX);
    assert!(less(FEED_PAUSE_MAX, REDIS_BACKOFF_MAX));
    // Ephemeral messages are turned away before entries are, and a flood of entries leaves room for thousands of others.
    assert!(
        FEED_SHARE_EPHEMERALS_ALL_DIVISOR > 1 && FEED_SHARE_EPHEMERALS_DIVISOR > 1 && FEED_SHARE_ENTRIES_FACTOR > 1
    );
    assert!(FEED_QUEUE_MESSAGES_MAX / (FEED_SHARE_ENTRIES_FACTOR + 1) >= 10 * FEED_TURN_MESSAGES);
};

// --- Reading streams whose entries may be large --------------------------------------------

/// A stream is read by counting entries only while so many of the largest seen lately fit into a page. Of a stream that was not
/// read lately a function is asked for as many, at most: a third of a millisecond of Redis' time. Where Redis runs no function that
/// could stop by size, a transaction asks for no more until a page of the same run was small.
pub const ENTRIES_ASKED_AT_FIRST_MAX: usize = 64;
/// The same where nothing is known. Eight of the largest events that are delivered by default are 8 MiB.
pub const ENTRIES_ASKED_UNKNOWN_MAX: usize = 8;
/// How long what a page told about the sizes of a channel's entries is believed. An outage is longer, and a channel that
/// is read again later costs one careful read.
pub const ENTRY_SIZES_FRESH: Duration = Duration::from_secs(1);
/// Only a stream that is no larger as a whole is read by counting entries, where Redis tells its memory, in bytes: that is
/// then the most that one answer can be, beside what publishers add meanwhile.
pub const PLAIN_STREAM_BYTES_MAX: usize = 16 * MIB;
/// How often the size of a page that does not arrive is divided by [`PAGE_SHRINK`]: then it is a single entry.
pub const PAGE_SHRINKS_MAX: u32 = 5;
/// By how much a page that did not arrive is made smaller.
pub const PAGE_SHRINK: usize = 4;
/// A stream whose oldest and newest entry together are larger is compared by a function that leaves them out, in bytes.
pub const TIP_BYTES_PLAIN_MAX: usize = 16 * KIB;
/// Bytes of entries that one call of a function copies within Redis before it stops: some milliseconds of its time.
pub const FUNCTION_BYTES_COPIED_MAX: usize = 4 * MIB;
/// Pages that have been read stay in memory within this part of `tail.budget`, for other readers at the same place.
pub const PAGES_BUDGET_PART: usize = 8;

const _: () = {
    assert!(ENTRIES_ASKED_UNKNOWN_MAX <= ENTRIES_ASKED_AT_FIRST_MAX);
    assert!(ENTRIES_ASKED_AT_FIRST_MAX <= ARCHIVE_PAGE_ENTRIES_MAX);
    // The last of the smaller pages is a single entry.
    assert!(PAGE_SHRINK.pow(PAGE_SHRINKS_MAX) >= ARCHIVE_PAGE_ENTRIES_MAX);
    // No outage that a proof of the feed notices is shorter.
    assert!(less(ENTRY_SIZES_FRESH, REDIS_PROBE_TIMEOUT_DEFAULT));
    assert!(ARCHIVE_PAGE_BYTES_DEFAULT <= FUNCTION_BYTES_COPIED_MAX);
    // A default stream of events of ordinary size is one, and such an answer is no more than one channel's tail.
    assert!(STREAM_MAXLEN_DEFAULT as usize * 1_000 <= PLAIN_STREAM_BYTES_MAX);
    assert!(PLAIN_STREAM_BYTES_MAX <= TAIL_CHANNEL_BYTES_DEFAULT);
    // Every read that may be in flight has room for its page.
    assert!(ARCHIVE_CONCURRENCY_DEFAULT * ARCHIVE_PAGE_BYTES_DEFAULT <= TAIL_BUDGET_BYTES_DEFAULT / PAGES_BUDGET_PART);
};

// --- Entries that cannot be read -----------------------------------------------------------

/// Reads of a single entry that fail, while all else can be read, before those who wait for it are told `unavailable`.
pub const UNREADABLE_FAILURES: u32 = 3;
/// Places of one channel, before such an entry, at which failures are counted and small pages are remembered. Readers at
/// further places keep theirs until one of these is done with.
pub const UNREADABLE_PLACES_MAX: usize = 16;
/// A failure counts only if the next read at its place began within so long: five seconds of waiting and a read for others in
/// between. Where readers at several places take turns, for each of them.
pub const UNREADABLE_PENDING: Duration = Duration::from_secs(30);
/// A place at which nobody has read for so long is forgotten, with what has counted there.
pub const UNREADABLE_REMEMBERED: Duration = Duration::from_secs(300);
/// How long readers who come to such a place are told of it, before it is tried again.
pub const UNREADABLE_TOLD: Duration = Duration::from_secs(10);
/// Channels that are looked at to find another one that can be read meanwhile.
pub const UNREADABLE_OTHERS_TRIED_MAX: usize = 1_024;

const _: () = {
    assert!(UNREADABLE_FAILURES > 1, "one read may fail for any reason");
    // Who waits for the answer has taken it by then.
    assert!(less(ARCHIVE_PAGE_PATIENCE, UNREADABLE_TOLD));
    assert!(less(REDIS_COMMAND_TIMEOUT_DEFAULT, UNREADABLE_PENDING) && less(UNREADABLE_PENDING, UNREADABLE_REMEMBERED));
};

// --- Large answers of the archive ----------------------------------------------------------

/// An answer of the archive that may be larger than this, in bytes, waits for its turn: Redis makes one of this size in a
/// third of a millisecond, and whatever else it has to do waits so long.
pub const ARCHIVE_LARGE_BYTES: usize = 64 * KIB;
/// Large answers that Redis is asked for at a time: one that it makes, and one that waits while the node takes in the one before.
pub const ARCHIVE_LARGE_READS_MAX: usize = 2;
/// How long a large read waits for its turn at most. Answers that never come, on a link that is lost, hold up nobody longer.
pub const ARCHIVE_LARGE_PATIENCE: Duration = Duration::from_millis(250);

const _: () = {
    assert!(ARCHIVE_LARGE_BYTES <= ARCHIVE_PAGE_BYTES_DEFAULT);
    // Small reads find a place beside the large ones.
    assert!(0 < ARCHIVE_LARGE_READS_MAX && 2 * ARCHIVE_LARGE_READS_MAX <= ARCHIVE_CONCURRENCY_DEFAULT);
    assert!(less(ARCHIVE_LARGE_PATIENCE, REDIS_COMMAND_TIMEOUT_DEFAULT));
};

// --- Readers that take nothing -------------------------------------------------------------

/// `delivery.stalled`: how long a client may take nothing of what waits for it before its stream ends. Longer than two waits
/// between the kernel's probes of a window that is shut (two minutes each, `TCP_RTO_MAX` of Linux): one announcement that the
/// window is open again may be lost.
pub const STALLED_DEFAULT: Option<Duration> = Some(Duration::from_secs(5 * 60));
/// The least that `delivery.stalled` may say, `off` excepted: three intervals of a heartbeat of ten seconds.
pub const STALLED_MIN: Duration = Duration::from_secs(30);

const _: () = {
    let Some(stalled) = STALLED_DEFAULT else { panic!("a client that takes nothing for ever costs kernel memory") };
    assert!(less(STALLED_MIN, stalled));
    assert!(stalled.as_secs() > 2 * 120, "two probes");
    assert!(HEARTBEAT_DEFAULT.as_millis() * 2 < stalled.as_millis() && less(TCP_USER_TIMEOUT, stalled));
};

// --- Shares of history ---------------------------------------------------------------------

/// Beside [`HISTORY_ANSWERS_MAX`] there is one place for so many, for clients that hold fewer than [`HISTORY_ANSWERS_FEW`].
pub const HISTORY_RESERVE_PART: usize = 4;
/// A client that holds fewer history answers may have one of the reserve. It pages with one, and may ask for another channel.
pub const HISTORY_ANSWERS_FEW: usize = 2;

const _: () = {
    // Several clients fit into the reserve.
    assert!(HISTORY_ANSWERS_MAX / HISTORY_RESERVE_PART >= 4 * HISTORY_ANSWERS_FEW);
    assert!(REDIS_POOL_SIZE_DEFAULT >= POOL_CONNECTIONS_PER_HISTORY_CONNECTION);
};

// --- Silent sockets where places are few ---------------------------------------------------

/// The part of a node's places that silent sockets have at most, as a divisor, whatever `admission.max_silent` allows.
pub const SILENT_SHARE_PART: usize = 2;
/// The places that they have on the smallest node: a browser opens some sockets in advance.
pub const SILENT_SHARE_MIN: usize = 16;
/// A socket that has been silent for less time is not closed for the others' places: its request may be on its way.
pub const SILENT_YOUNG: Duration = Duration::from_millis(500);

const _: () = {
    assert!(SILENT_SHARE_PART > 1 && SILENT_SOCKETS_DEFAULT <= CONNECTIONS_DEFAULT / SILENT_SHARE_PART);
    // A node that may start leaves places for others.
    assert!(SILENT_SHARE_MIN < DESCRIPTORS_FOR_CLIENTS_MIN);
    assert!(less(SILENT_YOUNG, REQUEST_HEAD_TIMEOUT));
};

// --- Heads that come back ------------------------------------------------------------------

/// Bytes of a request's head beside its target and its position: what browsers, proxies and cookies add, about.
pub const HEAD_FIELDS_BYTES: usize = 2 * KIB;

/// Longest position of so many channels, in bytes (as [`POSITION_BYTES_MAX`] has it).
#[must_use]
pub const fn position_bytes_max(channels: usize) -> usize {
    1 + channels * (11 + 2 + 22 + 1)
}

/// Longest position of so many channels as long as their tags differ early and their ids are of this century, in bytes: what has
/// to fit into a URL, for clients that cannot send a header.
#[must_use]
pub const fn position_bytes_usual(channels: usize) -> usize {
    1 + channels * 16
}

/// The least that `limits.header_bytes` may be: whoever could open a stream can come back to it with its position.
#[must_use]
pub const fn header_bytes_min(url_bytes: usize, channels: usize) -> usize {
    url_bytes + position_bytes_max(channels) + HEAD_FIELDS_BYTES
}

const _: () = {
    assert!(header_bytes_min(URL_BYTES_DEFAULT, CHANNELS_PER_CONNECTION_DEFAULT) <= HEADER_BYTES_DEFAULT);
    assert!(position_bytes_usual(CHANNELS_PER_CONNECTION_MAX) < URL_BYTES_DEFAULT);
    // A stream that may be asked for can be opened.
    assert!(CHANNELS_PER_CONNECTION_DEFAULT <= CHANNELS_PER_NODE_DEFAULT);
};

// --- What clients ask of their stream ------------------------------------------------------

/// The least that `heartbeat=` of a request may say, in seconds: read timeouts of 5 s are defaults of HTTP clients.
pub const CLIENT_HEARTBEAT_SECONDS_MIN: u8 = 5;
/// The most that it may say: what proxies on the way wait for is hardly ever longer.
pub const CLIENT_HEARTBEAT_SECONDS_MAX: u8 = 60;

const _: () = {
    assert!(less(HEARTBEAT_DEFAULT, HEARTBEAT_MAX));
    assert!(CLIENT_HEARTBEAT_SECONDS_MIN < CLIENT_HEARTBEAT_SECONDS_MAX);
};

// --- Publishing ----------------------------------------------------------------------------

/// Longest `TTL` that a publisher may ask for: the library's `SECONDS_MAX`.
pub const STREAM_TTL_MAX: Duration = Duration::from_secs(1_000_000_000);
/// How often the log repeats a refusal of Redis to publish that it has told.
pub const PUBLISH_REFUSAL_SAID_INTERVAL: Duration = Duration::from_secs(10);
/// How long a publish waits for a connection that is just being made.
pub const PUBLISH_CONNECTION_WAIT: Duration = Duration::from_secs(1);
/// After the functions were loaded they are not loaded again for so long, though somebody misses them.
pub const FUNCTIONS_LOAD_REST: Duration = Duration::from_secs(10);
/// How often an entry that a push named is looked for in its stream, at most: a read in ten seconds is no load.
pub const PUSH_LOOKED_UP_INTERVAL: Duration = Duration::from_secs(10);
/// The same after one that was not found.
pub const PUSH_LOOKED_UP_AGAIN: Duration = Duration::from_secs(1);

const _: () = {
    assert!(less(PUSH_LOOKED_UP_AGAIN, PUSH_LOOKED_UP_INTERVAL));
    assert!(less(STREAM_TTL_MIN, STREAM_TTL_MAX));
    // An HTTP publisher hears what became of the wait, and not that nobody answered.
    assert!(less(PUBLISH_CONNECTION_WAIT, STORE_ANSWER_TIMEOUT));
};

// --- What readers of the log may take up ---------------------------------------------------

/// Answers to where the newest so many entries of a channel begin that are kept for others who ask for as many, in a channel.
pub const NEWEST_ANSWERS_MAX: usize = 16;
/// Tips in a request that are the node's own comparisons, if it wants so many: who opens channels does not hold them up.
pub const TIPS_OF_NODE: usize = TIPS_PER_REQUEST_MAX / 2;

const _: () = {
    assert!(NEWEST_ANSWERS_MAX > 0, "who asked has to find the answer");
    assert!(TIPS_OF_NODE > 0 && TIPS_OF_NODE < TIPS_PER_REQUEST_MAX);
};

// --- Promises about the life of streams ------------------------------------------------------

/// Entries of `[[channels]]` in the configuration: each name of a log is compared with all of them.
pub const MIN_LIVES_MAX: usize = 64;
/// Bytes of one of their patterns: those of the longest channel name.
pub const CHANNEL_PATTERN_BYTES_MAX: usize = CHANNEL_NAME_MAX;
/// What is not counted on of a promised life: by so much the clock of a primary may be set back, or that of the replica that takes over be
/// behind.
pub const MIN_LIFE_CLOCK_SLACK: Duration = Duration::from_secs(60);
/// The shortest life that is worth a promise.
pub const MIN_LIFE_MIN: Duration = Duration::from_secs(120);
/// The longest.
pub const MIN_LIFE_MAX: Duration = Duration::from_secs(3_650 * 86_400);
/// Channels of one promise that are remembered as having broken it; with one more the promise is worth nothing for any of them,
/// for the time until then.
pub const MIN_LIFE_BROKEN_CHANNELS_MAX: usize = 256;
/// How often a node looks again whether the data's life has to be renamed, at most, should nodes disagree about the eviction policy.
pub const EPOCH_RENAMED_INTERVAL: Duration = Duration::from_secs(60);

const _: () = {
    assert!(MIN_LIFE_MIN.as_secs() >= MIN_LIFE_CLOCK_SLACK.as_secs() + ABSENCE_PROOF.as_secs());
    assert!(less(MIN_LIFE_MIN, MIN_LIFE_MAX));
    // A longer one could not be kept by TTL, but by streams that live for ever.
    assert!(less(MIN_LIFE_MAX, STREAM_TTL_MAX));
};

// --- Health --------------------------------------------------------------------------------

/// How often each thread of a node shows that it takes turns, at least. A connection thread does with each of its sweeps.
pub const TURN_AT_LEAST: Duration = Duration::from_secs(1);
/// A thread of which nothing was seen for so long is stuck: `admin.stuck_after`.
pub const STUCK_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// The least of it.
pub const STUCK_AFTER_MIN: Duration = Duration::from_secs(5);
/// Of the time between two looks at the threads so much counts at most: where nobody looked, or the process as a whole was halted,
/// nothing is known. Kubernetes asks every ten seconds unless it is told otherwise.
pub const STUCK_LOOK_MAX: Duration = Duration::from_secs(10);
/// The pause until the archive's probe is read again after a read that failed, at most.
pub const ARCHIVE_PROBE_RETRY_MAX: Duration = Duration::from_secs(1);

const _: () = {
    // A thread has several turns before it counts as stuck.
    assert!(TURN_AT_LEAST.as_millis() * 3 < STUCK_AFTER_MIN.as_millis());
    assert!(HEARTBEAT_MAX.as_millis() / 16 * 2 < STUCK_AFTER_MIN.as_millis());
    assert!(less(STUCK_AFTER_MIN, STUCK_AFTER_DEFAULT) && less(STUCK_LOOK_MAX, STUCK_AFTER_DEFAULT));
};

// --- Messages that are not believed ----------------------------------------------------------

/// Entries of a channel that messages have named and that are still to be compared with its stream. A message beyond them asks for a
/// read as the others do, but nobody looks whether its entry is there.
pub const ANNOUNCED_MAX: usize = 64;

const _: () = assert!(ANNOUNCED_MAX > 0, "a message that names no entry of its stream has to be noticed");
// --- Streams that do not expire ----------------------------------------------------------

/// Channels that a node remembers to have a stream that expires, against `redis.streams_expire`. With more the promise counts for none.
/// A name has at most [`CHANNEL_NAME_MAX`] bytes.
pub const EXPIRING_CHANNELS_MAX: usize = 256;

const _: () = {
    // Together they take no more memory than one page of the archive.
    assert!(EXPIRING_CHANNELS_MAX * CHANNEL_NAME_MAX <= 256 * 1024);
};

// --- Tokens --------------------------------------------------------------------------------

/// Longest token, in bytes. Those of identity providers have one or two KiB, rarely more than four.
pub const TOKEN_BYTES_MAX: usize = 8 * KIB;
/// Patterns that a token gives for each right. Each channel of a request is compared with all of them.
pub const GRANT_PATTERNS_MAX: usize = 64;
/// Longest pattern with claims in it, before they are put in, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 2 * CHANNEL_PATTERN_BYTES_MAX;
/// Longest `sub` and `jti` of a token, in bytes: a session keeps them, so that it can be revoked.
pub const SUBJECT_BYTES_MAX: usize = 255;
/// Longest name of the claim that holds the channels, in bytes.
pub const CLAIM_NAME_BYTES_MAX: usize = 255;
/// Longest name of the cookie that holds a token, in bytes.
pub const COOKIE_NAME_BYTES_MAX: usize = 64;
/// The claim that holds the channels, where the configuration names no other.
pub const CLAIM_NAME_DEFAULT: &str = "fanfare";
/// Issuers of one node.
pub const ISSUERS_MAX: usize = 16;
/// Audiences that one issuer's tokens may be for.
pub const AUDIENCES_MAX: usize = 16;
/// Longest name of an issuer or an audience, in bytes.
pub const ISSUER_BYTES_MAX: usize = 1_024;
/// `auth.leeway`: how far the clocks of issuers and nodes may be apart.
pub const AUTH_LEEWAY_DEFAULT: Duration = Duration::from_secs(5);
/// The most that `auth.leeway` may say.
pub const AUTH_LEEWAY_MAX: Duration = Duration::from_secs(5 * 60);
/// `auth.expired_grace`: how long after its end a genuine token is refused politely, so that its holder may come with a fresh one.
pub const EXPIRED_GRACE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The most that `auth.expired_grace` may say.
pub const EXPIRED_GRACE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// `auth.max_token_lifetime`: the longest life of a token. Revocations are kept for as long.
pub const TOKEN_LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// The least that `auth.max_token_lifetime` may say.
pub const TOKEN_LIFETIME_MIN: Duration = Duration::from_secs(60);
/// The most.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(366 * 86_400);

const _: () = {
    // A token fits into a head beside a URL of usual length.
    assert!(TOKEN_BYTES_MAX < HEADER_BYTES_DEFAULT);
    assert!(less(AUTH_LEEWAY_DEFAULT, AUTH_LEEWAY_MAX) && less(AUTH_LEEWAY_DEFAULT, EXPIRED_GRACE_DEFAULT));
    assert!(less(EXPIRED_GRACE_DEFAULT, EXPIRED_GRACE_MAX));
    assert!(less(TOKEN_LIFETIME_MIN, TOKEN_LIFETIME_DEFAULT) && less(TOKEN_LIFETIME_DEFAULT, TOKEN_LIFETIME_MAX));
};

// --- Keys of tokens ------------------------------------------------------------------------

/// Shortest secret that signs tokens, in bytes: as long as the hash of HS256 (RFC 7518, section 3.2).
pub const SIGNING_SECRET_BYTES_MIN: usize = 32;
/// Longest, in bytes.
pub const SIGNING_SECRET_BYTES_MAX: usize = 4 * KIB;
/// Keys of one issuer, wherever they come from.
pub const ISSUER_KEYS_MAX: usize = 64;
/// Keys that one token is tried with.
pub const KEYS_TRIED_MAX: usize = 4;
/// Largest file of keys, and largest key set that an issuer publishes, in bytes.
pub const KEY_FILE_BYTES_MAX: usize = 256 * KIB;
/// Longest address of a key set, in bytes.
pub const ASK_URL_BYTES_MAX: usize = 2 * KIB;
/// How long the answer of whoever publishes keys is waited for.
pub const KEY_SET_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a key set is read again, where its answer does not say how long it may be kept (`Cache-Control: max-age`).
pub const KEY_SET_REFRESH_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// Not more often than this, whatever the answer says.
pub const KEY_SET_REFRESH_MIN: Duration = Duration::from_secs(60);
/// Not less often than this.
pub const KEY_SET_REFRESH_MAX: Duration = Duration::from_secs(24 * 3_600);
/// `max_key_age` of an issuer: how long after it was read a published key set is believed while it cannot be read again. It is read
/// twice as often at least.
pub const KEY_SET_AGE_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// The least that it may say.
pub const KEY_SET_AGE_MIN: Duration = Duration::from_secs(10 * 60);
/// The most.
pub const KEY_SET_AGE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// After a key set was read it is not read again for so long, whatever keys tokens name.
pub const KEY_SET_REST: Duration = Duration::from_secs(30);
/// The pause after a key set could not be read. It doubles with each failure.
pub const KEY_SET_RETRY_MIN: Duration = Duration::from_secs(1);
/// At most so long.
pub const KEY_SET_RETRY_MAX: Duration = Duration::from_secs(60);

const _: () = {
    assert!(SIGNING_SECRET_BYTES_MIN >= 256 / 8 && SIGNING_SECRET_BYTES_MIN < SIGNING_SECRET_BYTES_MAX);
    assert!(KEYS_TRIED_MAX <= ISSUER_KEYS_MAX);
    assert!(less(KEY_SET_REST, KEY_SET_REFRESH_MIN) && less(KEY_SET_REFRESH_MIN, KEY_SET_REFRESH_DEFAULT));
    assert!(less(KEY_SET_REFRESH_DEFAULT, KEY_SET_REFRESH_MAX));
    assert!(less(KEY_SET_RETRY_MIN, KEY_SET_RETRY_MAX));
    assert!(less(KEY_SET_AGE_MIN, KEY_SET_AGE_DEFAULT) && less(KEY_SET_AGE_DEFAULT, KEY_SET_AGE_MAX));
    // A look that fails once is repeated in time.
    assert!(KEY_SET_AGE_MIN.as_secs() >= 2 * (KEY_SET_REFRESH_MIN.as_secs() + KEY_SET_RETRY_MAX.as_secs()));
};

// --- Pages of which a part has gone out ------------------------------------------------------

/// Pages that stay in memory for sessions in the middle of one of their entries, however small they are: those that stay are looked at
/// whenever memory is short.
pub const PINNED_PAGES_MAX: usize = 64;

const _: () = {
    // Those that are spared in any case are among them.
    assert!(ARCHIVE_CONCURRENCY_DEFAULT <= PINNED_PAGES_MAX);
};

// --- Streams whose ends are not told ---------------------------------------------------------

/// Names of which the store refused to tell where their streams end that are remembered: they are asked about apart from others.
pub const REFUSED_STREAMS_MAX: usize = 16_384;
/// How long they are.
pub const REFUSED_STREAM_AGE: Duration = Duration::from_secs(5);

const _: () = {
    // All of one request are remembered.
    assert!(TIPS_PER_REQUEST_MAX <= REFUSED_STREAMS_MAX);
    // Who comes back as soon as a refusal allows finds nothing remembered for ever.
    assert!(REFUSED_STREAM_AGE.as_millis() <= REFUSAL_RETRY_MIN.as_millis());
};

// --- What grants are needed for, and sessions that end before them ---------------------------

/// A session ends within this part of its life before its grant does, as a divisor: those whose grants end together do not come
/// back together.
pub const EXPIRY_SPREAD_PART: u32 = 10;
/// The most of it.
pub const EXPIRY_SPREAD_MAX: Duration = Duration::from_secs(60);
/// Patterns of channels that need no grant: each name of a request is compared with all of them.
pub const PUBLIC_PATTERNS_MAX: usize = 64;
/// Longest name of the parameter of a URL that may hold a token, in bytes.
pub const QUERY_PARAMETER_BYTES_MAX: usize = 64;

const _: () = {
    // Sweeps look several times in the meantime.
    assert!(EXPIRY_SPREAD_PART > 1 && less(HEARTBEAT_MAX, EXPIRY_SPREAD_MAX));
};

// --- Tokens at the door --------------------------------------------------------------------

/// Tokens that one client may send to a connection thread, one after the other, that turn out to be worth nothing. Each costs the thread a
/// check of its signature: 20 to 200 µs of the time in which it delivers. Then the client is refused unchecked.
pub const WORTHLESS_TOKENS_MAX: u32 = 100;
/// The time after which it may send one more.
pub const WORTHLESS_TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// Clients that a connection thread remembers for it. Two that share a place forget each other.
pub const WORTHLESS_TOKEN_SENDERS_MAX: usize = 4_096;
/// How long a request waits for the keys of its token to be read again. What is known by then decides.
pub const KEYS_WAIT: Duration = Duration::from_secs(4);
/// Requests of a node that wait for that. One more is refused politely.
pub const KEYS_WAITING_MAX: usize = 256;
/// A key set that was read so long after a token was signed holds its key, or nobody does: an issuer publishes a key before it signs
/// with it, and clocks differ by `auth.leeway` at most.
pub const KEY_SET_MARGIN: Duration = AUTH_LEEWAY_MAX.saturating_add(Duration::from_secs(60));

const _: () = {
    assert!(WORTHLESS_TOKENS_MAX > 0 && WORTHLESS_TOKEN_SENDERS_MAX.is_power_of_two());
    // What the wait ends in is said, not that it was cut short; and others find a slot for what else is decided.
    assert!(less(KEYS_WAIT, DECISION_TIMEOUT) && KEYS_WAITING_MAX < DECISIONS_WAITING_MAX);
    // Their tokens are in memory.
    assert!(KEYS_WAITING_MAX * TOKEN_BYTES_MAX <= 2 * 1024 * KIB);
    assert!(less(AUTH_LEEWAY_MAX, KEY_SET_MARGIN));
};

// --- Services outside ----------------------------------------------------------------------

/// Largest head of an answer, in bytes.
pub const ASK_HEAD_BYTES_MAX: usize = 32 * KIB;
/// Addresses of one name that are tried.
pub const ASK_ADDRESSES_MAX: usize = 8;
/// Names that are looked up at once: a look-up that hangs cannot be ended.
pub const ASK_LOOKUPS_MAX: usize = 8;
/// Largest file of certificates of authorities, in bytes. Those of systems have about 220 KiB.
pub const AUTHORITIES_BYTES_MAX: usize = 2 * 1024 * KIB;
/// How often it is looked whether there is something to be logged of what was asked.
pub const ASK_LOG_INTERVAL: Duration = Duration::from_secs(1);

const _: () = {
    // The least that hyper accepts.
    assert!(ASK_HEAD_BYTES_MAX >= 8 * KIB);
    assert!(ASK_ADDRESSES_MAX > 0 && ASK_LOOKUPS_MAX > 0);
};

// --- An application that is asked about requests -------------------------------------------

/// `forward_auth.timeout`: how long its answer is waited for, the wait for a place included.
pub const FORWARD_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// The least that it may say.
pub const FORWARD_TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The most.
pub const FORWARD_TIMEOUT_MAX: Duration = Duration::from_secs(4);
/// `forward_auth.concurrency`: questions under way at once.
pub const FORWARD_CONCURRENCY_DEFAULT: usize = 64;
/// The most that it may say.
pub const FORWARD_CONCURRENCY_MAX: usize = 512;
/// `forward_auth.keep`: how long an answer counts for what is asked again.
pub const FORWARD_KEEP_DEFAULT: Duration = Duration::from_secs(2);
/// The most that it may say.
pub const FORWARD_KEEP_MAX: Duration = Duration::from_secs(60);
/// Answers that are kept. Two that share a place forget each other.
pub const FORWARD_KEPT_MAX: usize = 1_024;
/// Largest answer, in bytes.
pub const FORWARD_ANSWER_BYTES_MAX: usize = 32 * KIB;
/// Headers of a request that are sent along.
pub const FORWARD_HEADERS_MAX: usize = 16;
/// `forward_auth.lifetime`: how long a grant lasts whose answer does not say it.
pub const FORWARD_LIFETIME_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// The least that it, and `forward_auth.max_lifetime`, may say.
pub const FORWARD_LIFETIME_MIN: Duration = Duration::from_secs(10);
/// `forward_auth.max_lifetime`: how long a grant lasts at most.
pub const FORWARD_MAX_LIFETIME_DEFAULT: Duration = Duration::from_secs(3_600);
/// The most that both may say.
pub const FORWARD_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);

const _: () = {
    // What the wait ends in is said, not that it was cut short; and others find a slot for what else is decided.
    assert!(less(FORWARD_TIMEOUT_MAX, DECISION_TIMEOUT) && FORWARD_CONCURRENCY_MAX < DECISIONS_WAITING_MAX);
    assert!(less(FORWARD_TIMEOUT_MIN, FORWARD_TIMEOUT_DEFAULT) && less(FORWARD_TIMEOUT_DEFAULT, FORWARD_TIMEOUT_MAX));
    assert!(FORWARD_CONCURRENCY_DEFAULT <= FORWARD_CONCURRENCY_MAX && less(FORWARD_KEEP_DEFAULT, FORWARD_KEEP_MAX));
    assert!(less(FORWARD_LIFETIME_MIN, FORWARD_LIFETIME_DEFAULT));
    assert!(less(FORWARD_LIFETIME_DEFAULT, FORWARD_MAX_LIFETIME_DEFAULT));
    assert!(less(FORWARD_MAX_LIFETIME_DEFAULT, FORWARD_LIFETIME_MAX));
    // What is kept, if all of it is as large as may be; a place is found by 16 bits.
    assert!(FORWARD_KEPT_MAX * FORWARD_ANSWER_BYTES_MAX <= 32 * 1024 * KIB);
    assert!(FORWARD_KEPT_MAX.is_power_of_two() && FORWARD_KEPT_MAX <= 1 << 16);
};

// --- Tickets -------------------------------------------------------------------------------

/// Random bytes of a ticket: nobody guesses 128 bits.
pub const TICKET_BYTES: usize = 16;
/// The same as characters of base 64.
pub const TICKET_TEXT_BYTES: usize = (TICKET_BYTES * 8).div_ceil(6);
/// How soon a ticket has to be used, if its order does not say it.
pub const TICKET_TTL_DEFAULT: Duration = Duration::from_secs(60);
/// The least that an order may say.
pub const TICKET_TTL_MIN: Duration = Duration::from_secs(1);
/// The most.
pub const TICKET_TTL_MAX: Duration = Duration::from_secs(3_600);
/// How long a ticket is good from its first use on, if its order does not say it; at most `auth.max_token_lifetime`.
pub const TICKET_LIFETIME_DEFAULT: Duration = Duration::from_secs(3_600);
/// The least that an order may say.
pub const TICKET_LIFETIME_MIN: Duration = Duration::from_secs(1);
/// How long it is known of a ticket that it is over: who comes with it later comes with an unknown one.
pub const TICKET_REMEMBERED: Duration = Duration::from_secs(3_600);
/// Largest order of a ticket, in bytes.
pub const TICKET_ORDER_BYTES_MAX: usize = 128 * KIB;
/// Tickets that one payer may have made at once.
pub const TICKETS_AT_ONCE_MAX: u32 = 2_000;
/// How long one of them takes to come back: 200 a second.
pub const TICKET_PAUSE: Duration = Duration::from_millis(5);
/// Payers that are told apart. Two that share a place forget each other.
pub const TICKET_PAYERS_MAX: usize = 1_024;
/// Calls of a node to the store about tickets at a time; others wait, within their deadline.
pub const TICKET_CALLS_MAX: usize = 256;

const _: () = {
    assert!(TICKET_BYTES * 8 >= 128);
    assert!(less(TICKET_TTL_MIN, TICKET_TTL_DEFAULT) && less(TICKET_TTL_DEFAULT, TICKET_TTL_MAX));
    // A token may live as shortly as this, and so may a ticket then.
    assert!(less(TICKET_LIFETIME_MIN, TICKET_LIFETIME_DEFAULT) && less(TICKET_LIFETIME_MIN, TOKEN_LIFETIME_MIN));
    assert!(less(TICKET_LIFETIME_DEFAULT, TOKEN_LIFETIME_DEFAULT));
    // As many channels as a stream may have, each with its quotes and comma, a position, and the rest.
    assert!(
        CHANNELS_PER_CONNECTION_MAX * (CHANNEL_NAME_MAX + 3) + POSITION_BYTES_MAX + SUBJECT_BYTES_MAX + KIB
            <= TICKET_ORDER_BYTES_MAX
    );
    assert!(TICKET_ORDER_BYTES_MAX <= PUBLISH_BODIES_BYTES_MAX);
    assert!(TICKETS_AT_ONCE_MAX > 0 && TICKET_PAYERS_MAX.is_power_of_two());
    // Who waits to use a ticket holds a slot for what is decided.
    assert!(TICKET_CALLS_MAX < DECISIONS_WAITING_MAX);
};
