// All runs as one self-contained page: no script, no font, no address but its own.

import { chart } from './chart.js';
import { bound, caveat, milliseconds, number, shown } from './text.js';

export function escape(value) {
  return String(value).replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]);
}

const STYLE = `
  :root { color-scheme: light dark; --page: #fbfbfa; --card: #fff; --ink: #1d1f21; --soft: #6b7076; --line: #e3e4e6;
    --good: #1a7f4b; --bad: #c22f2f; --a: #2563c9; --b: #d98a00; --c: #b3268d; --bar: #cdd8ea; }
  @media (prefers-color-scheme: dark) { :root { --page: #15171a; --card: #1d2024; --ink: #e8e9ea; --soft: #9aa0a6;
    --line: #33373c; --good: #4cc38a; --bad: #ff7b72; --a: #6ea8fe; --b: #f0b040; --c: #e879c6; --bar: #34435c; } }
  body { margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 4rem; background: var(--page); color: var(--ink);
    font: 15px/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 0; } h3 { font-size: .95rem; margin: 1.5rem 0 .4rem; }
  p { margin: .4rem 0; } .soft { color: var(--soft); }
  section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.2rem 1.4rem; margin-top: 1.2rem; }
  .badge { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; color: #fff; font-weight: 600; font-size: .85rem;
    vertical-align: .15em; margin-right: .5rem; } .badge.good { background: #1a7f4b; color: #fff; } .badge.bad { background: #c22f2f; color: #fff; }
  .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .7rem; margin: 1rem 0; }
  .tile { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .7rem; }
  .tile b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; } .tile.bad b { color: var(--bad); }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85rem; }
  th, td { padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); } .right { text-align: right; }
  .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
  .note { border-left: 3px solid var(--b); padding-left: .7rem; } a { color: inherit; }
  svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
  @media (max-width: 40rem) { section { padding: 1rem; } }
`;

export function html(runs) {
  const failed = runs.filter((run) => !run.passed);
  const verdict = failed.length === 0 ? `All ${runs.length} passed` : `${failed.length} of ${runs.length} failed`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fanfare load test: ${verdict}</title><style>${STYLE}</style></head><body>
<h1>Fanfare load test</h1>
<p>${badge(failed.length === 0)}${verdict}: ${runs.map(link).join(', ')}.
<span class="soft">${escape(runs[0].at.replace('T', ' ').slice(0, 16))} UTC</span></p>
${runs.map(section).join('\n')}
<p class="soft">Latency is from the moment at which an event was due to be published to the moment at which k6 had read it; it
contains publishing, Redis and k6 itself. What was published before a connection had its place is replayed and has no
latency. docs/load-testing.md says how to read this.</p>
</body></html>
`;
}

function link(run) {
  return `<a href="#${escape(run.name)}" class="${run.passed ? 'good' : 'bad'}">${escape(run.name)}</a>`;
}

function badge(good) {
  return `<span class="badge ${good ? 'good' : 'bad'}">${good ? 'PASSED' : 'FAILED'}</span>`;
}

function section(run) {
  const { latency } = run;
  const tiles = [
    ['deliveries', number(run.received)], ['replayed', number(run.replayed)],
    ['lost', number(run.lost), run.lost > 0], ['doubled', number(run.doubled), run.doubled > 0],
    ['silent', number(run.silent), run.silent > 0], ['gaps told', number(run.gaps)],
    ['connects', number(run.connects)], ['resumed', number(run.resumed)],
    ['latency p50', milliseconds(latency.med)], ['latency p95', milliseconds(latency['p(95)'])],
    ['latency p99', milliseconds(latency['p(99)'])], ['longest', milliseconds(latency.max)],
  ];
  return `<section id="${escape(run.name)}">
<h2>${badge(run.passed)}${escape(run.name)}</h2>
<p>${escape(run.what)} <span class="soft">It took ${run.seconds} s.</span></p>
${caveat(run) === '' ? '' : `<p class="note">${escape(caveat(run))}</p>`}
<div class="tiles">${tiles.map(([name, value, bad]) =>
    `<div class="tile${bad ? ' bad' : ''}"><b>${escape(value)}</b><span class="soft">${name}</span></div>`).join('')}</div>
<h3>Over time</h3>
${chart(run)}
<h3>Thresholds</h3>
<table><tr><th>what</th><th class="right">limit</th><th class="right">measured</th><th class="right">verdict</th></tr>
${run.verdicts.map(row).join('\n')}
</table>
${run.checks.length === 0 ? '' : `<h3>Checks</h3><table><tr><th>what</th><th class="right">held</th><th class="right">did not</th></tr>
${run.checks.map(checkRow).join('\n')}</table>`}
<h3>Settings</h3>
<p class="soft">${Object.entries(run.settings).map(([name, value]) => `${escape(name)}: ${escape(value)}`).join(' · ')}</p>
</section>`;
}

function row(verdict) {
  return `<tr><td>${escape(verdict.meaning)}</td><td class="right">${escape(bound(verdict))}</td>
<td class="right">${escape(shown(verdict))}</td><td class="right ${verdict.ok ? 'good' : 'bad'}">${verdict.ok ? 'ok' : 'FAILED'}</td></tr>`;
}

function checkRow(check) {
  return `<tr><td>${escape(check.name)}</td><td class="right">${number(check.passes)}</td>
<td class="right ${check.fails > 0 ? 'bad' : ''}">${number(check.fails)}</td></tr>`;
}
