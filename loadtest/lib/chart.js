// A run over time, as SVG: latencies above, deliveries and connects below, one column for each part of the run.

import { milliseconds, number } from './text.js';

const WIDTH = 860;
const LEFT = 60;
const RIGHT = 10;
const LINES = [['med', 'p50', '--a'], ['p(95)', 'p95', '--b'], ['p(99)', 'p99', '--c']];

export function chart(run) {
  const { parts } = run;
  if (parts.every((part) => part.received === 0)) return '<p class="soft">Nothing was received.</p>';
  const column = (WIDTH - LEFT - RIGHT) / parts.length;
  const middle = (index) => LEFT + (index + 0.5) * column;
  return `<svg viewBox="0 0 ${WIDTH} 300" role="img" aria-label="Latency and deliveries over the run">
${latencies(parts, middle)}${bars(parts, middle, column)}${times(run, column)}</svg>`;
}

function latencies(parts, middle) {
  const [top, bottom] = [24, 164];
  const most = ceiling(Math.max(1, ...parts.map((part) => part.latency['p(99)'] || 0)));
  const y = (value) => bottom - (bottom - top) * value / most;
  let out = legend(LINES.map(([, name, color]) => [`latency ${name}`, color]), 12);
  for (const share of [0, 0.5, 1]) {
    out += `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(most * share)}" y2="${y(most * share)}" stroke="var(--line)"/>`;
    out += `<text x="${LEFT - 8}" y="${y(most * share) + 4}" text-anchor="end">${milliseconds(most * share)}</text>`;
  }
  for (const [key, , color] of LINES) {
    const points = parts.map((part, index) => [middle(index), part.latency[key]])
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([x, value]) => `${x.toFixed(1)},${y(value).toFixed(1)}`);
    out += `<polyline points="${points.join(' ')}" fill="none" stroke="var(${color})" stroke-width="2" stroke-linejoin="round"/>`;
    out += points.map((point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="3" fill="var(${color})"/>`).join('');
  }
  return out;
}

function bars(parts, middle, column) {
  const [top, bottom] = [210, 280];
  const most = Math.max(1, ...parts.map((part) => part.received));
  let out = legend([['deliveries', '--bar'], ['+n: connects', '']], 198);
  out += `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${bottom}" y2="${bottom}" stroke="var(--line)"/>`;
  out += `<text x="${LEFT - 8}" y="${top + 8}" text-anchor="end">${number(most)}</text>`;
  out += `<text x="${LEFT - 8}" y="${bottom + 4}" text-anchor="end">0</text>`;
  parts.forEach((part, index) => {
    const height = (bottom - top) * part.received / most;
    out += `<rect x="${(middle(index) - column * 0.36).toFixed(1)}" width="${(column * 0.72).toFixed(1)}" ` +
      `y="${(bottom - height).toFixed(1)}" height="${height.toFixed(1)}" rx="2" fill="var(--bar)"><title>${number(part.received)}</title></rect>`;
    out += `<text x="${middle(index)}" y="${bottom - 5}" text-anchor="middle">${part.connects > 0 ? `+${number(part.connects)}` : ''}</text>`;
  });
  return out;
}

// Seconds since the first event, at the left edge of each part and at the end.
function times({ parts, seconds, settings }, column) {
  const duration = settings['seconds of publishing'] || seconds;
  return Array.from({ length: parts.length + 1 }, (_, index) => {
    const label = (duration * index / parts.length).toFixed(duration < 2 * parts.length ? 1 : 0);
    return `<text x="${LEFT + index * column}" y="295" text-anchor="${index < parts.length ? 'middle' : 'end'}">${label} s</text>`;
  }).join('');
}

function legend(entries, y) {
  let x = LEFT;
  return entries.map(([name, color]) => {
    const mark = color === '' ? '' : `<rect x="${x}" y="${y - 8}" width="10" height="10" rx="2" fill="var(${color})"/>`;
    const label = `<text x="${x + (color === '' ? 0 : 15)}" y="${y + 1}">${name}</text>`;
    x += 40 + name.length * 6.2;
    return mark + label;
  }).join('');
}

// The next of 1, 2 or 5 times a power of ten.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
