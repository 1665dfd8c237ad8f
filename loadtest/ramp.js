// Connections rise in steps while events flow: where does the latency bend? Each step has its own row in the summary,
// and its own limit.
//
//   STEPS   how many steps (default 4)

import { sleep } from 'k6';
import sse from 'k6/x/sse';

import { Run } from './lib/run.js';
import { limits, number } from './lib/settings.js';
import { follow } from './lib/subscriber.js';

const steps = number('STEPS', 4, 2);
const run = new Run('ramp', { channels: 1, rate: 10, duration: 24, subscribers: 200 },
  `the subscribers come in ${steps} steps`);
run.parts = steps;

export const { options, setup, publish, handleSummary } = run.exports({ each: [`p(95)<${limits.p95}`] });

export function subscribe(data) {
  const { subscribers, duration } = run.size;
  // The first step connects before events flow; the others spread over the first half of their step.
  const step = Math.floor(run.me() * steps / subscribers);
  const length = duration * 1000 / steps;
  const due = data.startAt + step * length + Math.random() * length / 2;
  if (step > 0) sleep(Math.max(0, due - sse.now()) / 1000);
  follow(run, data);
}
