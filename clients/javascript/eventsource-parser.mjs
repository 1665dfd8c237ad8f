import { followParsed } from './parsed.mjs';

// Opens anew after whatever end.
followParsed(() => true);
