import * as undici from 'undici6';
import { dispatcherOf } from './http2.mjs';
import { followEventSource } from './report.mjs';

const dispatcher = dispatcherOf(undici);

followEventSource((url) => new undici.EventSource(url, { dispatcher }));
