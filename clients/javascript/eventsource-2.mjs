import EventSource from 'eventsource2';
import { followEventSource } from './report.mjs';

followEventSource((url) => new EventSource(url));
