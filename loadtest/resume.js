// Subscribers drop, stay away while events go on, and resume on another node from nothing but their last event id:
// what they missed must come, in order, once.
//
//   AWAY   seconds for which a subscriber stays away at most (default 2)

import { Run } from './lib/run.js';
import { number } from './lib/settings.js';
import { follow } from './lib/subscriber.js';

const away = number('AWAY', 2);
const stay = 3;
const run = new Run('resume', { channels: 4, rate: 20, duration: 20, subscribers: 40 },
  `they drop after at most ${stay} s, stay away for up to ${away} s and resume on the next node`);

// Half of the cycles that fit, so that a slow machine does not fail for its slowness.
const cycles = Math.max(1, Math.floor(run.size.duration / (stay + away) / 2));

export const { options, setup, publish, handleSummary } = run.exports({
  more: {
    fanfare_resumed: [`count>=${run.size.subscribers * cycles}`],
    fanfare_replayed: [`count>=${run.size.subscribers}`],
  },
});

export function subscribe(data) {
  follow(run, data, {
    // Short stays are common, so that many drop before their first event, with nothing but the priming id.
    cut: () => 0.02 + Math.random() * Math.random() * stay,
    pause: () => Math.random() * away,
  });
}
