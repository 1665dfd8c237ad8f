// Broadcast at a fixed rate: everybody follows, nobody is cut. What is the latency, and is anything missing?

import { Run } from './lib/run.js';
import { follow } from './lib/subscriber.js';

const run = new Run('steady', { channels: 1, rate: 20, duration: 20, subscribers: 100 }, 'nobody is cut');

export const { options, setup, publish, handleSummary } = run.exports();
export const subscribe = (data) => follow(run, data);
