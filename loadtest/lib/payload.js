// What the data of an event says: `<channel> <number> <unix microseconds> <mark> <padding>`. The first three are as
// `fanload` writes them. The time is the one at which the event was due, not the one at which it was sent: a publisher
// that falls behind makes the latency worse, not better.

export const PLAIN = '-';
export const LAST = 'last';
// Sent with a wrong key: nobody may ever receive it.
export const REFUSED = 'refused';

export function write(channel, n, dueMs, mark, bytes) {
  return `${channel} ${n} ${Math.round(dueMs * 1000)} ${mark} `.padEnd(bytes, '.');
}

// By index: taking an array apart by a pattern costs several times as much in k6, and this runs for every delivery.
export function read(data) {
  const words = data.split(' ', 4);
  return { channel: Number(words[0]), n: Number(words[1]), dueMs: Number(words[2]) / 1000, mark: words[3] };
}
