// Subscribers that keep dropping and resume on the other node, while publishers go on: every event must arrive, in
// order, once. Run by `make loadtest`, which starts Redis and two nodes and builds k6 with the module `k6/x/sse`.
//
//   NODES        base URLs of the nodes, separated by commas
//   PUBLISH_KEY  the key of POST /channels/{channel}/events
//   CHANNELS     number of channels, each with its own publisher (default 4)
//   RATE         events a second and channel (default 20)
//   SUBSCRIBERS  subscribers at once (default 40)
//   SECONDS      how long they go on (default 20)

import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import sse from 'k6/x/sse';

const nodes = (__ENV.NODES || 'http://127.0.0.1:8080').split(',');
const key = __ENV.PUBLISH_KEY || '';
const channels = Number(__ENV.CHANNELS || 4);
const rate = Number(__ENV.RATE || 20);
const subscribers = Number(__ENV.SUBSCRIBERS || 40);
const seconds = Number(__ENV.SECONDS || 20);

const missing = new Counter('fanfare_missing');
const doubled = new Counter('fanfare_doubled');
const gaps = new Counter('fanfare_gaps');
const resumed = new Counter('fanfare_resumed');
const received = new Counter('fanfare_received');
const finished = new Counter('fanfare_finished');
const failed = new Rate('fanfare_failed_connects');
const lag = new Trend('fanfare_lag', true);

export const options = {
  scenarios: {
    publish: {
      executor: 'per-vu-iterations', exec: 'publish', vus: channels, iterations: 1,
      startTime: '1s', maxDuration: `${seconds + 60}s`,
    },
    subscribe: {
      executor: 'per-vu-iterations', exec: 'subscribe', vus: subscribers, iterations: 1,
      maxDuration: `${seconds + 60}s`,
    },
  },
  thresholds: {
    fanfare_missing: ['count==0'],
    fanfare_doubled: ['count==0'],
    fanfare_gaps: ['count==0'],
    fanfare_failed_connects: ['rate==0'],
    checks: ['rate==1'],
    // The run has tested something: everybody dropped and resumed several times and saw the last event.
    fanfare_resumed: [`count>=${subscribers * 3}`],
    fanfare_received: [`count>=${Math.floor(subscribers * seconds * rate * 0.5)}`],
    fanfare_finished: [`count==${subscribers}`],
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

// One run never reads what another has published.
export function setup() {
  return { run: Date.now().toString(36) };
}

const channelName = (run, index) => `load-${run}-${index}`;

// One publisher for each channel numbers its events; the last one says that it is the last.
export function publish({ run }) {
  const index = exec.scenario.iterationInTest;
  const end = Date.now() + seconds * 1000;
  for (let n = 1, last = false; !last; n += 1) {
    last = Date.now() >= end;
    const url = `${nodes[n % nodes.length]}/channels/${channelName(run, index)}/events`;
    const answer = http.post(url, JSON.stringify({ index, n, last, at: Date.now() }), {
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'text/plain' },
      tags: { name: 'publish' },
    });
    if (!check(answer, { 'the publish was accepted': (r) => r.status >= 200 && r.status < 300 })) {
      console.error(`publish: ${answer.status} ${answer.body}`);
    }
    sleep(1 / rate);
  }
}

// One subscriber follows one or two channels (two: the position is a vector), is cut off at random moments,
// and resumes each time on the next node from nothing but its last event id.
export function subscribe({ run }) {
  const me = exec.scenario.iterationInTest;
  const follows = [me % channels];
  if (me % 2 === 1 && channels > 1) follows.push((me + 1) % channels);
  const query = follows.map((index) => `channel=${channelName(run, index)}`).join('&');
  const seen = new Map();
  const open = new Set(follows);
  let lastEventId = '';

  for (let attempt = 0; open.size > 0; attempt += 1) {
    const node = nodes[(me + attempt) % nodes.length];
    const patience = 0.02 + Math.random() * Math.random() * 3;
    const end = sse.open(`${node}/events?${query}`, { lastEventId, seconds: patience }, (client, event) => {
      if (event.name === '$gap') {
        gaps.add(1);
        console.error(`gap: ${event.data}`);
        return;
      }
      const { index, n, last, at } = JSON.parse(event.data);
      received.add(1);
      lag.add(Date.now() - at);
      const expected = (seen.get(index) || n - 1) + 1;
      if (n > expected) {
        missing.add(n - expected);
        console.error(`missing: channel ${index}, expected ${expected}, got ${n}, after ${lastEventId}`);
      }
      if (n < expected) doubled.add(1);
      seen.set(index, n);
      if (last) open.delete(index);
      if (open.size === 0) client.close();
    });
    // A cut that comes before the response is the script's own doing.
    failed.add(end.error !== '' || (end.status !== 200 && !end.timedOut));
    if (end.error !== '') console.error(`connect: ${end.error}`);
    if (lastEventId !== '' && end.events > 0) resumed.add(1);
    lastEventId = end.lastEventId;
  }
  finished.add(1);
}
