// The event-stream server that is written first: node:http, a set of responses for each channel, one `write` to
// each of them for every event. It is what Fanfare is compared with, not an example to follow: it ignores how far
// behind a slow client is and forgets everything when it ends.
//
// It does two things that the shortest such loop does not: it encodes an event once and not once for each client, and
// it keeps the last events of a channel, so that a client that sends `Last-Event-ID` gets what it missed.
//
//   node loop.mjs ADDRESS PORT
//   GET /events/CHANNEL       subscribe
//   POST /channels/CHANNEL    publish the body as one event
import { createServer } from 'node:http';

const KEPT = 2000;
const channels = new Map();

function channel(name) {
  let found = channels.get(name);
  if (!found) {
    found = { last: 0, kept: [], clients: new Set() };
    channels.set(name, found);
  }
  return found;
}

function subscribe(request, response, name) {
  const { kept, last, clients } = channel(name);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
  const seen = request.headers['last-event-id'];
  if (seen !== undefined) {
    const missed = Math.min(last - Number(seen), kept.length);
    if (missed > 0) response.write(Buffer.concat(kept.slice(kept.length - missed)));
  }
  clients.add(response);
  response.on('close', () => clients.delete(response));
}

function publish(request, response, name) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const to = channel(name);
    to.last += 1;
    const event = Buffer.from(`id: ${to.last}\ndata: ${Buffer.concat(parts)}\n\n`);
    to.kept.push(event);
    if (to.kept.length > KEPT) to.kept.shift();
    for (const client of to.clients) client.write(event);
    response.writeHead(204).end();
  });
}

const server = createServer((request, response) => {
  const [, kind, name] = request.url.split('/');
  if (request.method === 'GET' && kind === 'events' && name) subscribe(request, response, name);
  else if (request.method === 'POST' && kind === 'channels' && name) publish(request, response, name);
  else response.writeHead(404).end();
});
server.keepAliveTimeout = 3_600_000;
server.requestTimeout = 0;
const [address, port] = process.argv.slice(2);
server.listen({ host: address, port: Number(port), backlog: 16384 });
