import { follow } from './report.mjs';

// It is made for pages: these are what it takes from one.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import('@microsoft/fetch-event-source');

follow((url, tell) => {
  fetchEventSource(url, {
    openWhenHidden: true,
    onmessage: ({ event, data }) => data && tell(event, data),
    // As most applications do: `undefined` means the delay that the server named. The default opens no stream on a status.
    async onopen(response) {
      if (!response.ok) throw new Error(`status ${response.status}`);
    },
    onerror: () => undefined,
  }).catch(() => {});
});
