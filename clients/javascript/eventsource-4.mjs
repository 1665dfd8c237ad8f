import { EventSource } from 'eventsource4';
import { followEventSource } from './report.mjs';

followEventSource((url) => new EventSource(url));
