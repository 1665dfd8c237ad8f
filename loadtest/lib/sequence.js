// The verdict on what one subscriber saw of one channel. Publishers number their events from 1; the words are those of
// `fanload`: lost (missing, and nobody said so), doubled (came again, or out of order), announced (missing, and a `$gap`
// said so).
//
// `fromStart`: the subscriber's place was known before the first event was published, so it must see number 1.
export class Sequence {
  constructor(fromStart) {
    this.last = fromStart ? 0 : null;
    this.gap = false;
  }

  // The subscriber had its place before the first event, though it has seen none yet.
  startsAtOne() {
    if (this.last === null) this.last = 0;
  }

  // A `$gap` was told: what is missing up to the next event is announced.
  announce() {
    this.gap = true;
  }

  // Takes the number of the next event; says what was wrong with it, in events.
  take(n) {
    const found = { lost: 0, doubled: 0, announced: 0 };
    if (this.last !== null && n <= this.last) {
      found.doubled = 1;
      return found;
    }
    const missing = this.last === null ? 0 : n - this.last - 1;
    if (this.gap) found.announced = missing;
    else found.lost = missing;
    this.last = n;
    this.gap = false;
    return found;
  }
}
