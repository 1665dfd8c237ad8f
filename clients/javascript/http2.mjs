// undici speaks HTTP/2 only when it is told to; CLIENT_HTTP2 tells the clients here.

const wanted = Boolean(process.env.CLIENT_HTTP2);

/** What an `EventSource` of that undici takes as `dispatcher`; none for its default. */
export const dispatcherOf = (undici) => (wanted ? new undici.Agent({ allowH2: true }) : undefined);

// Version 6 does not notice that a connection of HTTP/2 has broken; version 7 needs Node.js 20.
const undici = await import(wanted ? 'undici7' : 'undici6');
const dispatcher = dispatcherOf(undici);

/** `fetch` of undici. */
export const fetch = (url, options) => undici.fetch(url, { ...options, dispatcher });
