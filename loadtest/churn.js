// Random cuts and immediate reconnects, on any node, all the time.
//
//   CUTS   cuts a second, of all subscribers together (default: half of the subscribers)

import { Run } from './lib/run.js';
import { number } from './lib/settings.js';
import { follow } from './lib/subscriber.js';

const run = new Run('churn', { channels: 4, rate: 20, duration: 20, subscribers: 60 }, (size) =>
  `about ${number('CUTS', size.subscribers / 2, 0.01)} random cuts a second, each followed by a reconnect to any node`);

const cuts = number('CUTS', run.size.subscribers / 2, 0.01);

export const { options, setup, publish, handleSummary } = run.exports({
  // Half of the intended cuts, so that a slow machine does not fail for its slowness.
  more: { fanfare_resumed: [`count>=${Math.floor(Math.min(cuts, run.size.subscribers) * run.size.duration / 4)}`] },
});

export function subscribe(data) {
  const mean = run.size.subscribers / cuts;
  follow(run, data, {
    // Exponentially distributed lives: a cut is as likely at any moment as at any other.
    cut: () => Math.max(0.005, -Math.log(1 - Math.random()) * mean),
    node: () => Math.floor(Math.random() * 1e6),
  });
}
