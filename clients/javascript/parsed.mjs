// What both loops around eventsource-parser have in common.

import { setTimeout as sleep } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { fetch } from './http2.mjs';
import { follow } from './report.mjs';

/** Follows each stream with `fetch` and a parser; `again(clean)` decides whether to open anew after an end. */
export function followParsed(again) {
  follow(async (url, tell) => {
    let place = '';
    let clean;
    do {
      try {
        const headers = { Accept: 'text/event-stream', ...(place && { 'Last-Event-ID': place }) };
        const response = await fetch(url, { headers });
        if (!response.ok) throw new Error(`status ${response.status}`);
        const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
        for await (const { id, event, data } of events) {
          place = id ?? place;
          tell(event, data);
        }
        clean = true;
      } catch {
        clean = false;
      }
      await sleep(1_000);
    } while (again(clean));
  });
}
