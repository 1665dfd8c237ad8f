// What the environment says, read once. Every script takes these; docs/load-testing.md lists them with examples.
// A value that makes no sense ends the run before it has begun.

function text(name, otherwise) {
  const value = __ENV[name];
  return value === undefined || value === '' ? otherwise : value;
}

// A number of at least `least`.
export function number(name, otherwise, least = 0) {
  const value = Number(text(name, otherwise));
  if (!Number.isFinite(value) || value < least) {
    throw new Error(`${name}=${__ENV[name]}: expected a number of at least ${least}`);
  }
  return value;
}

function integer(name, otherwise, least) {
  const value = number(name, otherwise, least);
  if (!Number.isInteger(value)) {
    throw new Error(`${name}=${__ENV[name]}: expected a whole number`);
  }
  return value;
}

// Seconds, also written as 90s, 5m or 1h.
export function seconds(name, otherwise) {
  const value = text(name, String(otherwise));
  const match = /^(\d+(?:\.\d+)?)(s|m|h|)$/.exec(value);
  if (!match || Number(match[1]) <= 0) {
    throw new Error(`${name}=${value}: expected a length of time such as 30, 30s, 5m or 1h`);
  }
  return Number(match[1]) * { '': 1, s: 1, m: 60, h: 3600 }[match[2]];
}

function oneOf(name, otherwise, choices) {
  const value = text(name, otherwise);
  if (!choices.includes(value)) {
    throw new Error(`${name}=${value}: expected one of ${choices.join(', ')}`);
  }
  return value;
}

function addresses(name, otherwise) {
  const list = text(name, otherwise).split(',').map((url) => url.trim().replace(/\/+$/, '')).filter((url) => url);
  for (const url of list) {
    if (!/^https?:\/\/[^/]+/.test(url)) {
      throw new Error(`${name}: '${url}' is not an address such as https://events.example.org`);
    }
  }
  return list;
}

const targets = addresses('TARGETS', 'http://127.0.0.1:8080');
const redisUrl = text('REDIS_URL', '');

// Where clients connect and how events get in.
export const place = {
  targets,
  // Sent by subscribers as `Authorization: Bearer TOKEN`, if set.
  token: text('TOKEN', ''),
  // Whether subscribers speak HTTP/2, and nothing else.
  http2: oneOf('HTTP2', '0', ['0', '1']) === '1',
  publishVia: oneOf('PUBLISH_VIA', redisUrl && !text('PUBLISH_KEY', '') ? 'redis' : 'http', ['http', 'redis']),
  publishUrls: addresses('PUBLISH_URL', targets.join(',')),
  publishKey: text('PUBLISH_KEY', ''),
  redisUrl,
  redisPrefix: text('REDIS_PREFIX', 'sse:'),
};

// What this process does. Several k6 machines share a run: the same RUN and START_AT, one of them with ROLE=publish.
export const part = {
  role: oneOf('ROLE', 'both', ['both', 'publish', 'subscribe']),
  run: text('RUN', ''),
  startAt: number('START_AT', 0),
};

// How much. `defaults` are a script's own; the environment wins.
export function amount(defaults) {
  const channels = integer('CHANNELS', defaults.channels, 1);
  const rate = number('RATE', defaults.rate, 0.01);
  const duration = seconds('DURATION', defaults.duration);
  const subscribers = integer('SUBSCRIBERS', defaults.subscribers, 1);
  return {
    channels,
    rate,
    duration,
    subscribers,
    bytes: integer('BYTES', 200, 1),
    // Events that each publisher sends, the last one included.
    events: Math.max(2, Math.round(rate * duration)),
    // Connecting takes a moment; events begin after it. A real cluster is further away than loopback.
    lead: seconds('LEAD', 2 + subscribers / 250),
    // How long a subscriber may lag behind the end before its silence counts.
    patience: seconds('PATIENCE', 15),
  };
}

// Limits that say whether a run has passed, beside those that are always zero.
export const limits = {
  p95: number('LATENCY_P95_MS', 1000),
  p99: number('LATENCY_P99_MS', 2500),
  // The share of connects that may fail or be refused: above zero when the run restarts nodes on purpose.
  failedConnects: number('FAILED_CONNECTS', 0),
  // How many announced `$gap`s are accepted: above zero when the run trims streams or fails Redis over on purpose.
  gaps: number('GAPS', 0),
};
