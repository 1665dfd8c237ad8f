import clients from 'launchdarkly-eventsource';
import { followEventSource } from './report.mjs';

followEventSource((url) => new clients.EventSource(url));
