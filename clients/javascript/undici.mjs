import { EventSource } from 'undici6';
import { followEventSource } from './report.mjs';

followEventSource((url) => new EventSource(url));
