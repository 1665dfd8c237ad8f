import clients from 'event-source-polyfill';
import { followEventSource } from './report.mjs';

followEventSource((url) => new clients.EventSourcePolyfill(url));
