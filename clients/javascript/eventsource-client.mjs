import { createEventSource } from 'eventsource-client';
import { follow } from './report.mjs';

follow((url, tell) => createEventSource({ url, onMessage: ({ event, data }) => tell(event, data) }));
