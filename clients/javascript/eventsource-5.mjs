import { EventSource } from 'eventsource5';
import { followEventSource } from './report.mjs';

followEventSource((url) => new EventSource(url));
