// Broadcast at a fixed rate: everybody follows, nobody is cut. What is the latency, and is anything missing?

import { Run } from './lib/run.js';
import { follow } from './lib/subscriber.js';

const run = new Run('steady', { channels: 1, rate: 20, duration: 20, subscribers: 100 }, 'nobody is cut');

export const options = run.options();
export const setup = () => run.setup();
export const publish = (data) => run.publish(data);
export const handleSummary = (data) => run.summarise(data);

export function subscribe(data) {
  const me = run.me();
  follow(data, {
    me,
    channels: run.channelsOf(me),
    cut: () => 0,
    pause: () => 0,
    node: (attempt) => me + attempt,
    partOf: run.partOf(data),
  });
}
