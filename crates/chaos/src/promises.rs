//! What the operator of the nodes has promised about the life of streams: on some channels a promise that the schedule breaks, and on
//! one a promise that it keeps.

use fanfare_oracle::Ledger;

use crate::action::channel;

/// Longer than a run of a minute, and than any client stays away.
const MIN_LIFE_MINUTES: u64 = 10;
/// Channels whose streams are deleted, and expire by hand, as those of all channels.
const BROKEN: [usize; 3] = [0, 1, 2];
/// The channel whose stream nobody ends by itself. Redis may lose it, and `FLUSHALL` ends it with everything else.
const KEPT: usize = 6;

/// The channel whose stream is to end in place of this one's: another one where it was promised to live.
pub(crate) fn may_end(index: usize) -> usize {
    if index == KEPT { index + 1 } else { index }
}

/// What the nodes' configuration says of it.
pub(crate) fn tables() -> String {
    let table = |name: String| format!("[[channels]]\nmatch = \"{name}\"\nmin_life = \"{MIN_LIFE_MINUTES}m\"\n");
    // Besides, the readers of all channels are counted: whatever goes wrong with that goes on all the time.
    promised().map(table).chain(["[[channels]]\nmatch = \"*\"\noccupancy = true\n".to_owned()]).collect()
}

/// Says so to the judge.
pub(crate) fn tell(ledger: &Ledger) {
    promised().for_each(|name| ledger.with(&name, |history| history.promise(MIN_LIFE_MINUTES * 60_000)));
}

fn promised() -> impl Iterator<Item = String> {
    BROKEN.into_iter().chain([KEPT]).map(channel)
}
