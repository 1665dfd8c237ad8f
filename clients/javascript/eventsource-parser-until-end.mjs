import { followParsed } from './parsed.mjs';

// For it, as in the AI SDK, which has the same parser, a clean end is the end; only an error is tried again.
followParsed((clean) => !clean);
