// What all scripts have in common: the k6 options, the timetable, the publishers and the summary.
//
// The timetable: subscribers connect during `lead`; then publishers send for `duration`; the last event of each channel
// says that it is the last; whoever has not seen it `patience` after the end is silent, which is a breach.

import exec from 'k6/execution';

import { PARTS, thresholds, zero } from './metrics.js';
import { publish, tryPublishing } from './publisher.js';
import { amount, part } from './settings.js';
import { tryTargets } from './subscriber.js';
import { summarise } from './summary.js';
import { several } from './text.js';

const ROLES = { both: '', publish: ' This machine only publishes.', subscribe: ' This machine only subscribes.' };

export class Run {
  // `what` says in the report what is special about this run, in a few words: a text, or a function of the amounts.
  constructor(name, defaults, what) {
    this.name = name;
    this.size = amount(defaults);
    this.what = `${sentence(this.size)}; ${typeof what === 'function' ? what(this.size) : what}.${ROLES[part.role]}`;
    this.parts = PARTS;
    this.publishes = part.role !== 'subscribe';
    this.subscribes = part.role !== 'publish';
    if (part.role === 'subscribe' && part.run === '') {
      throw new Error('ROLE=subscribe needs the RUN of the machine that publishes');
    }
  }

  // What k6 wants every script to export, beside what it runs: `options`, `setup`, `publish`, `handleSummary`.
  exports(unusual) {
    return {
      options: this.options(unusual),
      setup: () => this.setup(),
      publish: (data) => publish(data, this.me(), this.size),
      handleSummary: (data) => summarise(this, data),
    };
  }

  // `more` are thresholds, `each` limits of the latency in each part, `scenarios` further k6 scenarios.
  options({ more = {}, each = [], scenarios = {} } = {}) {
    const { size } = this;
    const wait = part.startAt > 0 ? Math.max(0, part.startAt - Date.now() / 1000) : size.lead;
    const once = { executor: 'per-vu-iterations', iterations: 1, maxDuration: `${
      Math.ceil(wait + size.duration + size.patience + 30)}s`, gracefulStop: '5s' };
    const all = { ...scenarios };
    if (this.publishes) all.publish = { ...once, exec: 'publish', vus: size.channels };
    if (this.subscribes) all.subscribe = { ...once, exec: 'subscribe', vus: size.subscribers };
    return {
      scenarios: all,
      thresholds: thresholds({
        subscribes: this.subscribes, publishes: this.publishes, finished: size.subscribers, parts: this.parts, each, more,
      }),
      summaryTrendStats: ['min', 'med', 'p(95)', 'p(99)', 'max', 'count'],
      userAgent: 'fanfare-loadtest',
    };
  }

  async setup() {
    zero();
    const run = part.run || `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    if (this.subscribes) tryTargets(run);
    if (this.publishes) await tryPublishing(run);
    const startAt = part.startAt > 0 ? part.startAt * 1000 : Date.now() + this.size.lead * 1000;
    const endAt = startAt + this.size.duration * 1000;
    return { run, startAt, endAt, deadline: endAt + this.size.patience * 1000 };
  }

  // The index of this virtual user within its scenario.
  me() {
    return exec.scenario.iterationInTest;
  }

  // Which part of the run a moment (in milliseconds) belongs to. What comes before or after counts to the first or last.
  partOf(data) {
    return (at) => {
      const share = (at - data.startAt) / (data.endAt - data.startAt);
      return Math.min(this.parts - 1, Math.max(0, Math.floor(share * this.parts)));
    };
  }

  // The channels of one subscriber: one, or two for every second subscriber, whose position is then a vector.
  channelsOf(me) {
    const { channels } = this.size;
    return me % 2 === 1 && channels > 1 ? [me % channels, (me + 1) % channels] : [me % channels];
  }
}

function sentence({ subscribers, channels, rate, duration }) {
  const on = `${several(channels, 'channel')}${channels > 1 ? ' (every second subscriber on two)' : ''}`;
  return `${several(subscribers, 'subscriber')} on ${on} with ${several(rate, 'event')} a second` +
    `${channels > 1 ? ' each' : ''} for ${duration} s`;
}
