// The verdict on what one subscriber saw of one channel. Publishers number their events from 1; the words are those of
// `fanload`: lost (missing, and nobody said so), doubled (came again, or out of order), announced (missing, and a `$gap`
// said so).
//
// A `$gap` excuses what is missing between the subscriber's place and the next event, and only if it keeps its word: it
// must not begin behind that place, and the event that follows must be the one that it names. It never excuses an event
// that comes again or out of order.

import { isLater, standsAt } from './position.js';

export class Sequence {
  // `fromStart`: the subscriber's place was known before the first event was published, so it must see number 1.
  constructor(fromStart) {
    this.last = fromStart ? 0 : null;
    // How many events right behind the last one are announced, by `$gap`s that have moved the subscriber's place.
    this.announced = 0;
    // The entry that must come next, by a `$gap` that has not: whatever is missing before that entry is announced.
    this.next = null;
  }

  // The subscriber had its place before the first event, though it has seen none yet.
  startsAtOne() {
    if (this.last === null) this.last = 0;
  }

  // A connection begins. A `$gap` that has not moved the place, and whose entry has not come, must be told again.
  connects() {
    this.next = null;
  }

  // A `$gap` with this data was told; `from` is the subscriber's place before it and `to` its place after it.
  announce({ reason, after, next, entry }, from, to) {
    if (reason === 'too_large') {
      this.announceOne(after, entry, from, to);
    } else if (!isLater(after, from)) {
      if (next !== null) this.next = next;
      else if (to !== from) this.announced = Infinity;
    }
  }

  // One entry is too large to be delivered; the `$gap` stands in its place. It may be the one that another `$gap`, right
  // before it, has named: then it is not known how many are missing.
  announceOne(after, entry, from, to) {
    const wasNamed = this.next === entry;
    this.next = null;
    if (!standsAt(to, entry)) return;
    if (wasNamed) this.announced = Infinity;
    else if (!isLater(after, from)) this.announced += 1;
  }

  // Takes the number of the next event and the subscriber's place after it; says what was wrong, in events.
  take(n, place) {
    const found = { lost: 0, doubled: 0, announced: 0 };
    const excused = this.next !== null && standsAt(place, this.next) ? Infinity : this.announced;
    this.next = null;
    if (this.last !== null && n <= this.last) {
      found.doubled = 1;
      return found;
    }
    const missing = this.last === null ? 0 : n - this.last - 1;
    found.announced = Math.min(missing, excused);
    found.lost = missing - found.announced;
    this.last = n;
    this.announced = 0;
    return found;
  }
}
