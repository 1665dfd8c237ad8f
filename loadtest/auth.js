// Who may publish: the right key is accepted; a wrong and a missing one are refused with a problem document, publish
// nothing, and do not disturb the subscribers. Needs PUBLISH_KEY and the HTTP endpoint.
//
//   ATTACKS   refused publishes a second (default 20)

import { check } from 'k6';
import { Counter } from 'k6/metrics';

import { REFUSED, write } from './lib/payload.js';
import { post } from './lib/publisher.js';
import { Run } from './lib/run.js';
import { number, place } from './lib/settings.js';
import { follow } from './lib/subscriber.js';

const attacks = number('ATTACKS', 20, 1);
const run = new Run('auth', { channels: 2, rate: 10, duration: 15, subscribers: 40 },
  `published with the right key, beside ${attacks} publishes a second with a wrong key or none`);
if (place.publishVia !== 'http' || place.publishKey === '') {
  throw new Error('auth tests the HTTP endpoint: set PUBLISH_KEY (and PUBLISH_URL), and not PUBLISH_VIA=redis');
}

const refusals = new Counter('fanfare_refused_publishes');

export const { options, setup, publish, handleSummary } = run.exports({
  more: { fanfare_refused_publishes: [`count>=${Math.floor(attacks * run.size.duration / 2)}`] },
  scenarios: run.publishes ? {
    attack: {
      executor: 'constant-arrival-rate', exec: 'attack', rate: Math.ceil(attacks), timeUnit: '1s',
      startTime: `${run.size.lead}s`, duration: `${run.size.duration}s`, preAllocatedVUs: 5, maxVUs: 50,
    },
  } : {},
});
export const subscribe = (data) => follow(run, data);

// One publish that must be refused: without a key, with another one, or with the right one cut short.
export function attack({ run: name }) {
  const turn = run.me();
  const key = [null, 'wrong', place.publishKey.slice(0, -1)][turn % 3];
  const answer = post(name, turn % run.size.channels, write(0, turn + 1, Date.now(), REFUSED, 40), key);
  const problem = document(answer);
  const refused = check(answer, {
    'a wrong or missing key is refused with 401': (it) => it.status === 401,
    'the refusal is a problem document (RFC 9457)': (it) =>
      /^application\/problem\+json/.test(it.headers['Content-Type'] || '') && problem.status === 401,
    'it says what is wrong': () => /:unauthorized$/.test(problem.type || '') && (problem.detail || '').length > 0,
    'it does not repeat the key': (it) => !String(it.body).includes(place.publishKey.slice(0, -1)),
  });
  if (refused) refusals.add(1);
}

function document(answer) {
  try {
    return JSON.parse(answer.body);
  } catch (_) {
    return {};
  }
}
