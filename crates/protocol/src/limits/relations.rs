//! What must hold between limits of several subjects.

use super::admission::{
    CONNECTIONS_DEFAULT, CONNECTIONS_HEADROOM, CONNECTIONS_PER_ADDRESS_DEFAULT, CONNECTIONS_PER_ADDRESS_HEADROOM,
    HANDOFF_MAX, LISTEN_BACKLOG_DEFAULT, REFUSAL_RETRY_MAX, REFUSAL_RETRY_MIN, SILENT_SHARE_MIN, SILENT_YOUNG,
    SUBJECT_CHANNELS_PER_SECOND_DEFAULT,
};
use super::archive::{
    ARCHIVE_BYTES_PER_SECOND_DEFAULT, ARCHIVE_CONCURRENCY_DEFAULT, ARCHIVE_LARGE_PATIENCE, ARCHIVE_PAGE_BYTES_DEFAULT,
    ARCHIVE_PAGE_ENTRIES_MAX, ENTRY_SIZES_FRESH, LOST_PLACE_REMEMBERED, PAGES_BUDGET_PART, PLAIN_STREAM_BYTES_MAX,
    REFUSED_STREAM_AGE, TIP_REQUESTS_MAX, TIPS_PER_REQUEST_MAX, UNREADABLE_PENDING, UNREADABLE_REMEMBERED,
};
use super::channels::{
    CHANNEL_LINGER_DEFAULT, CHANNELS_LEAVING_MAX, CHANNELS_PER_NODE_DEFAULT, PINNED_PAGES_MAX, REFUSED_NAME_AGE,
    TAIL_BUDGET_BYTES_DEFAULT, TAIL_CHANNEL_BYTES_DEFAULT, TAIL_CHANNEL_ENTRIES_DEFAULT, TIPS_OF_NODE,
    TOP_CHANNELS_MAX, TOP_CHANNELS_TIMEOUT,
};
use super::delivery::{
    COALESCE_DEFAULT, COALESCE_MAX, DRAIN_DEADLINE_DEFAULT, DRAIN_WINDOW_DEFAULT, HEARTBEAT_DEFAULT, HEARTBEAT_MAX,
    HEARTBEAT_MIN, RETRY_DEFAULT,
};
use super::events::{EVENT_BYTES_DEFAULT, EVENT_BYTES_MAX, FRAME_OVERHEAD_BYTES_MAX, frame_bytes_max};
use super::feed::{
    FEED_QUEUE_BYTES_MAX, FEED_QUEUE_MESSAGES_MAX, PUSHED_DATA_BYTES_MAX, READY_PROBE_AGE_MAX_DEFAULT,
    REDIS_COMMAND_TIMEOUT_DEFAULT, REDIS_POOL_SIZE_DEFAULT, REDIS_PROBE_INTERVAL_DEFAULT, REDIS_PROBE_TIMEOUT_DEFAULT,
    REDIS_RECONCILE_INTERVAL_DEFAULT, SUBSCRIBE_BATCH_MAX,
};
use super::history::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX_DEFAULT, POOL_CONNECTIONS_PER_HISTORY_CONNECTION};
use super::names::{CHANNEL_NAME_MAX, EVENT_NAME_MAX};
use super::occupancy::{
    OCCUPANCY_BATCH_MAX, OCCUPANCY_LISTED_AGE_MAX, OCCUPANCY_LISTED_PAUSE, OCCUPANCY_LISTED_TIMEOUT,
    OCCUPANCY_LISTED_WAIT,
};
use super::outside::{
    FORWARD_CONCURRENCY_MAX, FORWARD_LIFETIME_MIN, FORWARD_MARGIN, FORWARD_TIMEOUT_MAX, FORWARD_WAITING_MAX,
};
use super::process::{DESCRIPTORS_FOR_CLIENTS_MIN, END_TIMEOUT, LOG_FLUSH_TIMEOUT, STATUS_PAUSE, STUCK_AFTER_MIN};
use super::promises::{BROKEN_PROMISE_PLACES, MIN_LIFE_CLOCK_SLACK, MIN_LIFE_MAX, MIN_LIFE_MIN};
use super::publishing::{
    ABSENCE_PROOF, PUBLISH_BODIES_BYTES_MAX, PUBLISH_CONNECTION_WAIT, PUBLISH_ENVELOPE_BYTES, STREAM_MAXLEN_DEFAULT,
    STREAM_TTL_MAX, STREAM_TTL_MIN,
};
use super::requests::{
    CHANNELS_PER_CONNECTION_DEFAULT, CHANNELS_PER_CONNECTION_MAX, CLOSE_LINGER, CLOSE_LINGER_BYTES_MAX,
    DECISION_TIMEOUT, DECISIONS_WAITING_MAX, HEADER_BYTES_DEFAULT, LAST_MAX_DEFAULT, POSITION_BYTES_MAX,
    REQUEST_HEAD_TIMEOUT, REQUEST_HEAD_TIMEOUT_DRAINING, STORE_ANSWER_TIMEOUT, SUBSCRIBE_TIMEOUT_DEFAULT,
    URL_BYTES_DEFAULT,
};
use super::revocations::REVOCATION_BYTES_MAX;
use super::tickets::{
    TICKET_CALLS_MAX, TICKET_LIFETIME_DEFAULT, TICKET_LIFETIME_MIN, TICKET_ORDER_BYTES_MAX, TICKET_TTL_DEFAULT,
    TICKETS_WAITING_MAX,
};
use super::tokens::{
    EXPIRY_SPREAD_MAX, EXPIRY_SPREAD_PART, ISSUER_BYTES_MAX, KEYS_WAIT, KEYS_WAITING_MAX, SUBJECT_BYTES_MAX,
    TOKEN_BYTES_MAX, TOKEN_LIFETIME_DEFAULT, TOKEN_LIFETIME_MIN,
};
use super::units::{KIB, less};
use crate::EntryId;

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
    // A stream of the most channels that a node is configured for by itself is a fraction of what one subject may begin.
    assert!(CHANNELS_PER_CONNECTION_MAX * 4 <= SUBJECT_CHANNELS_PER_SECOND_DEFAULT);
    // A wait for a decision has one of the places for sessions.
    assert!(DECISIONS_WAITING_MAX + TICKETS_WAITING_MAX < CONNECTIONS_DEFAULT);
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

const _: () = {
    // No outage that a proof of the feed notices is shorter.
    assert!(less(ENTRY_SIZES_FRESH, REDIS_PROBE_TIMEOUT_DEFAULT));
    // A reader asks again at its place, after a read that was given up, while the place is remembered.
    assert!(REDIS_COMMAND_TIMEOUT_DEFAULT.as_millis() * 2 < LOST_PLACE_REMEMBERED.as_millis());
    // A default stream of events of ordinary size is one, and such an answer is no more than one channel's tail.
    assert!(STREAM_MAXLEN_DEFAULT as usize * 1_000 <= PLAIN_STREAM_BYTES_MAX);
    assert!(PLAIN_STREAM_BYTES_MAX <= TAIL_CHANNEL_BYTES_DEFAULT);
    // Every read that may be in flight has room for its page.
    assert!(ARCHIVE_CONCURRENCY_DEFAULT * ARCHIVE_PAGE_BYTES_DEFAULT <= TAIL_BUDGET_BYTES_DEFAULT / PAGES_BUDGET_PART);
};

const _: () = {
    assert!(less(REDIS_COMMAND_TIMEOUT_DEFAULT, UNREADABLE_PENDING) && less(UNREADABLE_PENDING, UNREADABLE_REMEMBERED));
};

const _: () = {
    assert!(less(ARCHIVE_LARGE_PATIENCE, REDIS_COMMAND_TIMEOUT_DEFAULT));
};

const _: () = {
    // Who comes back as soon as a refusal allows finds nothing remembered for ever.
    assert!(REFUSED_STREAM_AGE.as_millis() <= REFUSAL_RETRY_MIN.as_millis());
};

const _: () = {
    assert!(REDIS_POOL_SIZE_DEFAULT >= POOL_CONNECTIONS_PER_HISTORY_CONNECTION);
};

const _: () = {
    // Whatever is stuck, the process ends before Kubernetes kills it (30 s after the signal).
    assert!(DRAIN_DEADLINE_DEFAULT.as_millis() + END_TIMEOUT.as_millis() + LOG_FLUSH_TIMEOUT.as_millis() < 30_000);
};

const _: () = {
    assert!(HEARTBEAT_MAX.as_millis() / 16 * 2 < STUCK_AFTER_MIN.as_millis());
};

const _: () = {
    assert!(EVENT_BYTES_DEFAULT <= PUSHED_DATA_BYTES_MAX && PUSHED_DATA_BYTES_MAX < FEED_QUEUE_BYTES_MAX);
};

const _: () = {
    // A stream that may be asked for can be opened.
    assert!(CHANNELS_PER_CONNECTION_DEFAULT <= CHANNELS_PER_NODE_DEFAULT);
};

const _: () = {
    assert!(less(HEARTBEAT_DEFAULT, HEARTBEAT_MAX));
};

const _: () = {
    // One subscription can take the places of as many channels as it may name.
    assert!(CHANNELS_PER_CONNECTION_MAX < CHANNELS_LEAVING_MAX);
    // Who comes back as soon as a refusal allows finds nothing remembered for ever.
    assert!(REFUSED_NAME_AGE.as_millis() <= REFUSAL_RETRY_MIN.as_millis());
};

const _: () = {
    assert!(TIPS_OF_NODE > 0 && TIPS_OF_NODE < TIPS_PER_REQUEST_MAX);
};

const _: () = {
    // Those that are spared in any case are among them.
    assert!(ARCHIVE_CONCURRENCY_DEFAULT <= PINNED_PAGES_MAX);
};

const _: () = {
    // A token fits into a head beside a URL of usual length.
    assert!(TOKEN_BYTES_MAX < HEADER_BYTES_DEFAULT);
};

const _: () = {
    // Sweeps look several times in the meantime.
    assert!(EXPIRY_SPREAD_PART > 1 && less(HEARTBEAT_MAX, EXPIRY_SPREAD_MAX));
};

const _: () = {
    // What the wait ends in is said, not that it was cut short; and others find a slot for what else is decided.
    assert!(less(KEYS_WAIT, DECISION_TIMEOUT) && KEYS_WAITING_MAX < DECISIONS_WAITING_MAX);
};

const _: () = {
    assert!(MIN_LIFE_MIN.as_secs() >= MIN_LIFE_CLOCK_SLACK.as_secs() + ABSENCE_PROOF.as_secs());
    // A longer one could not be kept by TTL, but by streams that live for ever.
    assert!(less(MIN_LIFE_MAX, STREAM_TTL_MAX));
};

const _: () = {
    // Together they take no more memory than one page of the archive.
    assert!(BROKEN_PROMISE_PLACES * size_of::<u64>() <= ARCHIVE_PAGE_BYTES_DEFAULT);
};

const _: () = {
    // A node that may start leaves places for others.
    assert!(SILENT_SHARE_MIN < DESCRIPTORS_FOR_CLIENTS_MIN);
    assert!(less(SILENT_YOUNG, REQUEST_HEAD_TIMEOUT));
};

const _: () = {
    // An HTTP publisher hears what became of the wait, and not that nobody answered.
    assert!(less(PUBLISH_CONNECTION_WAIT, STORE_ANSWER_TIMEOUT));
};

const _: () = {
    // The largest body that may be is taken while there is no other.
    assert!(2 * EVENT_BYTES_MAX + PUBLISH_ENVELOPE_BYTES <= PUBLISH_BODIES_BYTES_MAX);
};

const _: () = {
    // What the wait ends in is said, not that it was cut short.
    assert!(FORWARD_TIMEOUT_MAX.as_millis() + FORWARD_MARGIN.as_millis() < DECISION_TIMEOUT.as_millis());
    // A stream is not over when it begins: it ends two sweeps before its grant.
    assert!(HEARTBEAT_MAX.as_millis() / 16 * 2 < FORWARD_LIFETIME_MIN.as_millis());
    // Questions, and tokens whose keys are waited for, leave slots to what else is decided.
    assert!(FORWARD_CONCURRENCY_MAX + FORWARD_WAITING_MAX + KEYS_WAITING_MAX < DECISIONS_WAITING_MAX);
};

const _: () = {
    // Where tokens live as shortly as they may, a ticket of some seconds can be made still.
    assert!(TICKET_LIFETIME_MIN.as_secs() * 2 <= TOKEN_LIFETIME_MIN.as_secs());
    assert!(TICKET_TTL_DEFAULT.as_secs() + TICKET_LIFETIME_DEFAULT.as_secs() <= TOKEN_LIFETIME_DEFAULT.as_secs());
    // A stream ends three sweeps before its grant, and a sweep is a sixteenth of a heartbeat.
    assert!(HEARTBEAT_MAX.as_millis() / 16 * 3 < TICKET_LIFETIME_MIN.as_millis());
    // As many channels as a stream may have, each with its quotes and comma, a position, and the rest.
    assert!(
        CHANNELS_PER_CONNECTION_MAX * (CHANNEL_NAME_MAX + 3) + POSITION_BYTES_MAX + SUBJECT_BYTES_MAX + KIB
            <= TICKET_ORDER_BYTES_MAX
    );
    // Calls are what is waited for: those who wait to know and those who make one share them.
    assert!(TICKET_CALLS_MAX <= TICKETS_WAITING_MAX);
};

const _: () = {
    // A byte of a name is at most six of JSON.
    assert!(6 * (ISSUER_BYTES_MAX + CHANNEL_NAME_MAX + SUBJECT_BYTES_MAX) < REVOCATION_BYTES_MAX);
    assert!(REVOCATION_BYTES_MAX < EVENT_BYTES_MAX);
};

const _: () = {
    // A list is asked for at once, and the next value of a stream does not wait for the answer to this one.
    assert!(TOP_CHANNELS_MAX <= OCCUPANCY_BATCH_MAX && less(OCCUPANCY_LISTED_WAIT, OCCUPANCY_LISTED_TIMEOUT));
    assert!(TOP_CHANNELS_TIMEOUT.as_millis() + OCCUPANCY_LISTED_WAIT.as_millis() < STATUS_PAUSE.as_millis());
    // A number stands until the store has answered again, or has not, to who looks as often as the page.
    assert!(
        OCCUPANCY_LISTED_PAUSE.as_millis() + STATUS_PAUSE.as_millis() + OCCUPANCY_LISTED_TIMEOUT.as_millis()
            <= OCCUPANCY_LISTED_AGE_MAX.as_millis()
    );
};
