// The end of a run: a model of it as JSON, text for the terminal, and one HTML file for all runs so far.
//
//   OUT       directory to write to; must exist (without it only the terminal gets something)
//   EARLIER   JSON files of the scenarios before this one, separated by commas: they stand in the same report

import { html } from './html.js';
import { place } from './settings.js';
import { text } from './text.js';

const out = __ENV.OUT || '';
// Files can be read before the run only.
const earlier = (__ENV.EARLIER || '').split(',').filter((path) => path).map((path) => JSON.parse(open(path)));

const MEANING = {
  fanfare_lost: 'events lost in silence',
  fanfare_doubled: 'events doubled, out of order or forged',
  fanfare_silent: 'channels that never came to their last event',
  fanfare_gaps: '$gap events told',
  fanfare_failed_connects: 'share of connects that failed or were refused',
  fanfare_finished: 'subscribers that saw everything to the end',
  fanfare_latency: 'latency',
  fanfare_resumed: 'resumed connections',
  fanfare_replayed: 'events replayed after a resume',
  fanfare_refused_publishes: 'publishes refused as they should be',
  checks: 'share of checks that held',
};

export function summarise(run, data) {
  const model = modelOf(run, data);
  const all = [...earlier, model];
  const files = { stdout: text(model) };
  if (out !== '') {
    files[`${out}/${model.name}.json`] = `${JSON.stringify(model, null, 2)}\n`;
    files[`${out}/report.txt`] = all.map(text).join('\n');
    files[`${out}/report.html`] = html(all);
  }
  return files;
}

// Everything that the report says, and nothing that is secret.
function modelOf(run, data) {
  // A trend without a sample has zeros in it: that is no figure.
  const values = (name) => {
    const found = data.metrics[name] ? data.metrics[name].values : {};
    return found.med !== undefined && found.count === 0 ? {} : found;
  };
  const count = (name) => values(name).count || 0;
  const verdicts = verdictsOf(data, run.parts);
  return {
    name: run.name,
    what: run.what,
    at: new Date().toISOString(),
    seconds: Math.round(data.state.testRunDurationMs / 1000),
    passed: verdicts.every((verdict) => verdict.ok),
    settings: {
      targets: place.targets.map(withoutSecrets).join(', '), 'published over': place.publishVia,
      subscribers: run.size.subscribers, channels: run.size.channels,
      'events a second and channel': run.size.rate, 'seconds of publishing': run.size.duration,
      'bytes in an event': run.size.bytes,
    },
    published: count('fanfare_published'),
    received: count('fanfare_received'),
    replayed: count('fanfare_replayed'),
    lost: count('fanfare_lost'),
    doubled: count('fanfare_doubled'),
    silent: count('fanfare_silent'),
    gaps: count('fanfare_gaps'),
    announced: count('fanfare_announced'),
    connects: count('fanfare_connects'),
    resumed: count('fanfare_resumed'),
    refused: count('fanfare_refused'),
    latency: values('fanfare_latency'),
    late: values('fanfare_publisher_late'),
    connecting: values('sse_connecting'),
    verdicts,
    checks: checksOf(data.root_group),
    parts: Array.from({ length: run.parts }, (_, part) => ({
      latency: values(`fanfare_latency{part:${part}}`),
      received: count(`fanfare_received{part:${part}}`),
      connects: count(`fanfare_connects{part:${part}}`),
    })),
  };
}

function verdictsOf(data, parts) {
  const verdicts = [];
  for (const [name, metric] of Object.entries(data.metrics)) {
    const [, base, part] = /^(\w+)(?:\{part:(\d+)\})?$/.exec(name) || [];
    for (const [expression, { ok }] of Object.entries(metric.thresholds || {})) {
      // These always hold; they exist so that k6 keeps the values of each part.
      const always = expression === 'count>=0' || expression === 'max>=0';
      if (base === undefined || always) continue;
      const [, aggregate] = /^([\w().]+?)\s*[<>=]/.exec(expression);
      const meaning = MEANING[base] || base;
      const where = part === undefined ? '' : `, part ${Number(part) + 1} of ${parts}`;
      verdicts.push({
        metric: base, part: part === undefined ? -1 : Number(part),
        meaning: `${meaning}${percentile(aggregate)}${where}`,
        limit: expression.slice(aggregate.length), value: metric.values[aggregate], time: metric.contains === 'time', ok,
      });
    }
  }
  const order = Object.keys(MEANING);
  return verdicts.sort((a, b) => order.indexOf(a.metric) - order.indexOf(b.metric) || a.part - b.part);
}

// ` p95` for `p(95)`, nothing for anything else.
function percentile(aggregate) {
  const [, value] = /^p\((.*)\)$/.exec(aggregate) || [];
  return value === undefined ? '' : ` p${value}`;
}

function checksOf(group) {
  const own = (group.checks || []).map(({ name, passes, fails }) => ({ name, passes, fails }));
  return own.concat(...(group.groups || []).map(checksOf));
}

function withoutSecrets(url) {
  return url.replace(/\/\/[^/@]*@/, '//');
}
