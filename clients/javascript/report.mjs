// What every client here has in common: the streams come as arguments, and what is told goes out as a line of JSON each.

/** The events that are asked for by name, as an application does. */
export const NAMES = ['message', '$ready', '$gap', '$place'];

/** Calls `open(url, tell)` for every stream; `tell(event, data)` reports one event of it. */
export function follow(open) {
  process.argv.slice(2).forEach((url, stream) => {
    open(url, (event, data) => process.stdout.write(JSON.stringify([stream, event || 'message', data]) + '\n'));
  });
  setInterval(() => {}, 60_000);
}

/** The same for whatever looks like a browser's `EventSource`. */
export function followEventSource(open) {
  follow((url, tell) => {
    const source = open(url);
    for (const name of NAMES) source.addEventListener(name, (event) => tell(name, event.data));
    source.onerror = () => {};
  });
}
