import { follow } from './report.mjs';

// It is made for pages: these are what it takes from one.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import('@microsoft/fetch-event-source');

// As fetch-event-source.mjs, and an end is an error like any other: it comes back.
follow((url, tell) => {
  fetchEventSource(url, {
    openWhenHidden: true,
    onmessage: ({ event, data }) => data && tell(event, data),
    async onopen(response) {
      if (!response.ok) throw new Error(`status ${response.status}`);
    },
    onclose: () => { throw new Error('the stream has ended'); },
    onerror: () => undefined,
  });
});
