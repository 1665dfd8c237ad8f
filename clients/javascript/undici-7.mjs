import * as undici from 'undici7';
import { dispatcherOf } from './http2.mjs';
import { followEventSource } from './report.mjs';

const dispatcher = dispatcherOf(undici);

followEventSource((url) => new undici.EventSource(url, { dispatcher }));
