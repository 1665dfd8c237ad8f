// One subscriber: follows channels until each has said that it ends, is cut off as the script wishes, resumes from
// nothing but its last event id, and judges every event that it gets.

import { sleep } from 'k6';
import sse from 'k6/x/sse';

import { counters, failedConnects, latency } from './metrics.js';
import { LAST, REFUSED, read } from './payload.js';
import { channelName } from './publisher.js';
import { Sequence } from './sequence.js';
import { place } from './settings.js';

// A subscriber tells its first troubles; the counters have all of them. When a node is down all say the same, so only
// the first few subscribers speak of connections.
const TOLD_MAX = 3;
const TELLERS_MAX = 3;
const BACKOFF_MAX_S = 5;
// Clocks of several machines differ; a place counts as "before the first event" only by this much.
const CLOCK_SLACK_MS = 50;

// What a script may want to be otherwise. All are functions, called for each attempt to connect.
const USUAL = {
  // Seconds until the connection is cut; 0: never.
  cut: () => 0,
  // Seconds before coming back after a cut.
  pause: () => 0,
  // Index of the target to connect to: the next one each time.
  node: (attempt, me) => me + attempt,
};

// The whole life of one subscriber of `run`. `data` is what `setup` gave; `unusual` are members of USUAL of the script's own.
export function follow(run, data, unusual = {}) {
  const me = run.me();
  const how = { ...USUAL, ...unusual, me, channels: run.channelsOf(me), partOf: run.partOf(data) };
  const seen = {
    sequences: new Map(how.channels.map((channel) => [channel, new Sequence(false)])),
    open: new Set(how.channels),
    // Deliveries of the connection under way, by part of the run: counted here, because a sample of its own for each
    // would cost k6 as much as the delivery itself.
    received: new Map(),
    replayed: 0,
    placed: false,
    told: 0,
  };
  let lastEventId = '';
  let failures = 0;
  for (let attempt = 0; seen.open.size > 0; attempt += 1) {
    const left = (data.deadline - sse.now()) / 1000;
    if (left <= 0) break;
    const end = connect(data, how, seen, attempt, lastEventId, left);
    const failed = count(end, lastEventId);
    if (failed && how.me < TELLERS_MAX) tell(seen, trouble(end));
    lastEventId = end.lastEventId;
    if (seen.open.size === 0) break;
    failures = failed ? failures + 1 : 0;
    sleep(Math.min(Math.max(0, (data.deadline - sse.now()) / 1000), pauseAfter(end, how, attempt, failures)));
  }
  for (const channel of seen.open) {
    counters.silent.add(1);
    tell(seen, `silent: channel ${channel} never came to its last event, the newest was ` +
      `${seen.sequences.get(channel).last}`);
  }
  if (seen.open.size === 0) counters.finished.add(1);
}

function connect(data, how, seen, attempt, lastEventId, left) {
  const cut = how.cut(attempt);
  const query = how.channels.map((channel) => `channel=${channelName(data.run, channel)}`).join('&');
  const target = place.targets[how.node(attempt, how.me) % place.targets.length];
  const seconds = cut > 0 ? Math.min(cut, left) : left;
  counters.connects.add(1, { part: String(how.partOf(sse.now())) });
  for (const sequence of seen.sequences.values()) sequence.connects();
  const end = sse.open(`${target}/events?${query}`, subscription({ lastEventId, seconds }), (client, event) => {
    if (!seen.placed && client.primedAt > 0) firstPlace(data, seen, client.primedAt);
    if (event.name.startsWith('$')) gateway(data, how, seen, event);
    else take(data, how, seen, client, event);
    if (seen.open.size === 0) client.close();
  });
  if (!seen.placed && end.primedAt > 0) firstPlace(data, seen, end.primedAt);
  flush(seen);
  return end;
}

function flush(seen) {
  for (const [part, count] of seen.received) counters.received.add(count, { part: String(part) });
  if (seen.replayed > 0) counters.replayed.add(seen.replayed);
  seen.received.clear();
  seen.replayed = 0;
}

// The first place of all: whoever had it before the first event was due must see that event.
function firstPlace(data, seen, at) {
  seen.placed = true;
  if (at >= data.startAt - CLOCK_SLACK_MS) return;
  for (const sequence of seen.sequences.values()) sequence.startsAtOne();
}

function gateway(data, how, seen, event) {
  if (event.name !== '$gap') return;
  counters.gaps.add(1);
  tell(seen, `gap: ${event.data}`);
  const gap = JSON.parse(event.data);
  const channel = how.channels.find((index) => channelName(data.run, index) === gap.channel);
  if (channel !== undefined) seen.sequences.get(channel).announce(gap, event.from, event.id);
}

function take(data, how, seen, client, event) {
  const { channel, n, dueMs, mark } = read(event.data);
  const sequence = seen.sequences.get(channel);
  if (sequence === undefined || mark === REFUSED) {
    // Nobody may see this; it counts as an event too many.
    counters.doubled.add(1);
    tell(seen, `an event that must not be here: ${event.data}`);
    return;
  }
  const expected = sequence.last === null ? n : sequence.last + 1;
  const found = sequence.take(n, event.id);
  if (found.lost > 0) counters.lost.add(found.lost);
  if (found.doubled > 0) counters.doubled.add(found.doubled);
  if (found.announced > 0) counters.announced.add(found.announced);
  if (found.lost > 0 || found.doubled > 0) {
    tell(seen, `channel ${channel}: expected ${expected}, got ${n} (id ${event.id})`);
  }
  const part = how.partOf(event.at);
  seen.received.set(part, (seen.received.get(part) || 0) + 1);
  // What was due before this connection had its place comes from the archive, however fast it is.
  if (dueMs < client.primedAt) seen.replayed += 1;
  else latency.add(event.at - dueMs, { part: String(part) });
  if (mark === LAST) seen.open.delete(channel);
}

// Counts one connection; says whether it failed.
function count(end, cameFrom) {
  const refused = isRefusal(end);
  // A cut that comes before the response is the script's own doing.
  const failed = end.error !== '' || refused || (end.status !== 200 && !end.timedOut);
  failedConnects.add(failed);
  if (refused) counters.refused.add(1);
  if (cameFrom !== '' && end.primedAt > 0) counters.resumed.add(1);
  return failed;
}

// A polite refusal: 200 with a `retry:`, the client's own place if it brought one, and nothing else.
function isRefusal(end) {
  return end.status === 200 && end.primedAt === 0 && end.events === 0 && !end.timedOut && end.error === '';
}

function trouble(end) {
  if (isRefusal(end)) return 'refused politely: 200 with nothing but a retry';
  return `connection failed: ${end.error || (end.timedOut ? 'no answer in time' : `${end.status} ${end.body}`)}`;
}

// Seconds to wait: as the script wishes after its own cut, as the server told after its own end, longer each time after
// a failure. Jittered, so that subscribers do not come back together.
function pauseAfter(end, how, attempt, failures) {
  if (end.timedOut) return how.pause(attempt);
  const told = end.retryMs > 0 ? end.retryMs / 1000 : 1;
  if (failures === 0) return told;
  return Math.max(end.status === 200 ? told : 0, Math.min(BACKOFF_MAX_S, 0.25 * 2 ** failures)) * (0.75 + Math.random() / 2);
}

// Subscribes once on every target, so that a run against the wrong address ends before it has begun.
export function tryTargets(run) {
  for (const target of place.targets) {
    const end = sse.open(`${target}/events?channel=${channelName(run, 'try')}&ready=1`,
      subscription({ seconds: 10 }), (client) => client.close());
    if (end.events === 0) throw new Error(`${target} does not let anybody subscribe: ${trouble(end)}`);
  }
}

function subscription(more) {
  const headers = place.token === '' ? {} : { Authorization: `Bearer ${place.token}` };
  return { headers, http2: place.http2, ...more };
}

function tell(seen, what) {
  seen.told += 1;
  if (seen.told <= TOLD_MAX) console.error(what);
}
