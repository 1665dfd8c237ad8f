// What is counted, and the thresholds that every script has.

import { Counter, Rate, Trend } from 'k6/metrics';

import { limits } from './settings.js';

// The run is cut into this many parts of equal length, so that the summary can show how it went over time.
export const PARTS = 10;

export const counters = {
  published: new Counter('fanfare_published'),
  received: new Counter('fanfare_received'),
  replayed: new Counter('fanfare_replayed'),
  lost: new Counter('fanfare_lost'),
  doubled: new Counter('fanfare_doubled'),
  silent: new Counter('fanfare_silent'),
  gaps: new Counter('fanfare_gaps'),
  announced: new Counter('fanfare_announced'),
  connects: new Counter('fanfare_connects'),
  resumed: new Counter('fanfare_resumed'),
  refused: new Counter('fanfare_refused'),
  finished: new Counter('fanfare_finished'),
};
export const failedConnects = new Rate('fanfare_failed_connects');
export const latency = new Trend('fanfare_latency', true);
// How late publishers were: if this is large, the load generator is the bottleneck and latencies say nothing.
export const late = new Trend('fanfare_publisher_late', true);

// Called in setup: a counter that never counted is then a zero in the summary instead of an absence.
export function zero() {
  for (const counter of Object.values(counters)) counter.add(0);
}

// `parts` of the run get latencies, deliveries and connects of their own; `each` are limits for the latency of each part.
export function thresholds({ subscribes, publishes, finished, parts = PARTS, each = [], more = {} }) {
  const all = {};
  if (publishes) all.checks = ['rate==1'];
  if (subscribes) {
    Object.assign(all, {
      fanfare_lost: ['count==0'],
      fanfare_doubled: ['count==0'],
      fanfare_silent: ['count==0'],
      fanfare_gaps: [`count<=${limits.gaps}`],
      fanfare_failed_connects: [`rate<=${limits.failedConnects}`],
      fanfare_finished: [`count==${finished}`],
      fanfare_latency: [`p(95)<${limits.p95}`, `p(99)<${limits.p99}`],
    }, more);
    for (let part = 0; part < parts; part += 1) {
      // k6 keeps the values of a tag only where a threshold asks for them: these always hold, unless `each` says more.
      all[`fanfare_latency{part:${part}}`] = each.length > 0 ? each : ['max>=0'];
      all[`fanfare_received{part:${part}}`] = ['count>=0'];
      all[`fanfare_connects{part:${part}}`] = ['count>=0'];
    }
  }
  return all;
}
