//! In which worlds nodes count readers, and which clients ask how many there are.
//!
//! It is drawn from a stream of random numbers of its own: all other seeds are the worlds that they would be without this file.

use fanfare_log::Occupancy;
use fanfare_protocol::Pattern;

use crate::rng::Rng;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met count nobody.
const APART: u64 = 0x36B8_C118_4F85;

/// That a world's nodes count the readers of all channels.
#[derive(Debug)]
pub(crate) struct Counting {
    /// Clients that ask to be told.
    asking: Vec<usize>,
}

impl Counting {
    /// `None`: nobody is counted in this world. Where nodes ask for tokens, streams end by the clock, and what is true changes all the time.
    pub(crate) fn of(seed: u64, clients: usize, has_tokens: bool) -> Option<Self> {
        let mut rng = Rng::new(seed ^ APART);
        if has_tokens || !rng.chance(500) {
            return None;
        }
        Some(Self { asking: (0..clients).filter(|_| rng.chance(500)).collect() })
    }

    /// What a node counts, for one of its lives.
    pub(crate) fn occupancy() -> Occupancy {
        Occupancy::new([(Pattern::parse("*").expect("a valid pattern"), true)])
    }

    /// Whether a client asks to be told.
    pub(crate) fn asks(&self, client: usize) -> bool {
        self.asking.contains(&client)
    }
}
