// One publisher for each channel numbers its events and sends them on a schedule, over HTTP or straight to Redis. Every
// event has a deduplication key, so that a retry after a lost answer publishes nothing twice and leaves no hole.

import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import redis from 'k6/x/redis';
import sse from 'k6/x/sse';

import { counters, late } from './metrics.js';
import { LAST, PLAIN, write } from './payload.js';
import { place } from './settings.js';

const ATTEMPTS = 8;
// Beyond these the streams of a run are gone by themselves (only when published straight to Redis).
const TTL_SECONDS = 3600;
const DEDUP_SECONDS = 60;

// go-redis would repeat a call by itself and hide that it failed.
const client = place.publishVia === 'redis' ? new redis.Client(withoutRetries(place.redisUrl)) : null;

function withoutRetries(url) {
  if (url === '') throw new Error('PUBLISH_VIA=redis needs REDIS_URL');
  return `${url}${url.includes('?') ? '&' : '?'}max_retries=-1`;
}

export const channelName = (run, channel) => `load-${run}-${channel}`;

// The answer of a node to one event over HTTP; `key` is sent unless it is null.
export function post(run, channel, data, key, dedup) {
  const url = place.publishUrls[Math.floor(Math.random() * place.publishUrls.length)];
  const headers = { 'Content-Type': 'text/plain' };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  if (dedup) headers['Idempotency-Key'] = dedup;
  return http.post(`${url}/channels/${channelName(run, channel)}/events`, data, {
    headers, timeout: '10s', tags: { name: key === place.publishKey ? 'publish' : 'refused publish' },
  });
}

// Publishes once; gives what went wrong, or nothing.
async function attempt(run, channel, data, dedup) {
  if (client === null) {
    const answer = post(run, channel, data, place.publishKey, dedup);
    return answer.status === 201 ? '' : `${answer.status} ${answer.error || ''} ${answer.body || ''}`;
  }
  try {
    await client.sendCommand('FCALL', 'sse_publish', 1, `${place.redisPrefix}${channelName(run, channel)}`,
      'DATA', data, 'TTL', TTL_SECONDS, 'DEDUP', dedup, 'DEDUPWINDOW', DEDUP_SECONDS);
    return '';
  } catch (error) {
    return String(error);
  }
}

async function publishOne(run, channel, n, data) {
  let trouble = '';
  for (let round = 0; round < ATTEMPTS; round += 1) {
    trouble = await attempt(run, channel, data, `${run}-${channel}-${n}`);
    if (round === 0) check(trouble, { 'the event was published at the first attempt': (it) => it === '' });
    if (trouble === '') return;
    console.warn(`publish ${n} on channel ${channel}: ${trouble.trim()}`);
    // What asks for another key or another URL does not get better by asking again.
    if (/^4\d\d /.test(trouble)) break;
    sleep(0.2 * 2 ** round);
  }
  exec.test.abort(`event ${n} of channel ${channel} cannot be published: ${trouble.trim()}`);
}

// Publishes once to a channel that nobody follows, so that a run without the right to publish ends before it has begun.
export async function tryPublishing(run) {
  const trouble = await attempt(run, 'try', 'try', `${run}-try`);
  if (trouble !== '') throw new Error(`cannot publish over ${place.publishVia}: ${trouble.trim()}`);
}

// Publishes `events` events on one channel from `startAt` on (milliseconds), at `rate` a second; the last one says so.
export async function publish({ run, startAt }, channel, { rate, events, bytes }) {
  for (let n = 1; n <= events; n += 1) {
    const due = startAt + (n - 1) * 1000 / rate;
    const wait = due - sse.now();
    if (wait > 0) sleep(wait / 1000);
    late.add(Math.max(0, sse.now() - due));
    await publishOne(run, channel, n, write(channel, n, due, n === events ? LAST : PLAIN, bytes));
    counters.published.add(1);
  }
}
