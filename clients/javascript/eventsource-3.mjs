import { EventSource } from 'eventsource3';
import { followEventSource } from './report.mjs';

followEventSource((url) => new EventSource(url));
