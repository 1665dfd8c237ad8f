// One run as plain text, for a terminal and for report.txt.

export function number(value) {
  if (value === undefined || value === null) return '–';
  if (!Number.isInteger(value)) return value.toFixed(value < 1 ? 3 : 1);
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function milliseconds(value) {
  return value === undefined || value === null ? '–' : `${value.toFixed(value > 0 && value < 10 ? 1 : 0)} ms`;
}

export function shown(verdict) {
  return verdict.time ? milliseconds(verdict.value) : number(verdict.value);
}

const SIGNS = { '==': '=', '<=': '≤', '>=': '≥', '<': '<', '>': '>' };

// The limit of a verdict as a reader writes it.
export function bound(verdict) {
  const [, sign, value] = /^\s*([<>=]+)\s*(.*)$/.exec(verdict.limit);
  const limit = verdict.time ? milliseconds(Number(value)) : number(Number(value));
  return `${SIGNS[sign] || sign} ${limit}`;
}

// `3 channels`, `1 channel`.
export function several(count, what) {
  return `${number(count)} ${what}${count === 1 ? '' : 's'}`;
}

// What a reader must know before believing the figures; empty if nothing.
export function caveat(run) {
  const late = run.late['p(99)'];
  if (late === undefined || late < 100) return '';
  return `The publishers were up to ${milliseconds(run.late.max)} behind their schedule (p99 ${milliseconds(late)}): ` +
    'the latencies contain that. Give k6 more CPU, or publish less.';
}

export function text(run) {
  const lines = [
    '', `${run.passed ? 'PASSED' : 'FAILED'}  ${run.name}: ${run.what}`, '',
    `  published ${number(run.published)}   received ${number(run.received)} (${number(run.replayed)} replayed)   ` +
      `lost ${number(run.lost)}   doubled ${number(run.doubled)}   silent ${number(run.silent)}   ` +
      `gaps ${number(run.gaps)} (${number(run.announced)} events announced)`,
    `  connects ${number(run.connects)}   resumed ${number(run.resumed)}   refused ${number(run.refused)}   ` +
      `until the response p50 ${milliseconds(run.connecting.med)}, p99 ${milliseconds(run.connecting['p(99)'])}`,
    `  latency p50 ${milliseconds(run.latency.med)}   p95 ${milliseconds(run.latency['p(95)'])}   ` +
      `p99 ${milliseconds(run.latency['p(99)'])}   max ${milliseconds(run.latency.max)}`,
    '',
  ];
  for (const verdict of run.verdicts) {
    lines.push(`  ${verdict.ok ? 'ok  ' : 'FAIL'}  ${verdict.meaning}: ${shown(verdict)} (wanted ${bound(verdict)})`);
  }
  for (const check of run.checks) {
    if (check.fails > 0) lines.push(`  FAIL  check: ${check.name}: ${check.fails} of ${check.passes + check.fails} did not`);
  }
  if (caveat(run) !== '') lines.push('', `  Note: ${caveat(run)}`);
  return `${lines.join('\n')}\n`;
}
