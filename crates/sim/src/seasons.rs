//! When channels are published to. Where streams come and go each channel has seasons, and rests in which its stream expires.

use tokio::time::{Duration, Instant};

use crate::rng::Rng;

/// How long a season lasts at most, in milliseconds: of a few of its events the others tell nothing.
const LASTS_MS: [u64; 3] = [500, 2_000, 10_000];

/// How long a channel rests at least: until what was published last has expired.
const RESTS: Duration = Duration::from_secs(62);
/// How much longer it may rest, in milliseconds.
const RESTS_LONGER_MS: u64 = 20_000;

/// Seasons of one channel that are drawn: no world lasts longer.
const DRAWN: usize = 4;

/// The seasons of the channels of one world.
#[derive(Debug, Default)]
pub(crate) struct Seasons(Vec<Vec<(Instant, Instant)>>);

impl Seasons {
    /// The seasons of so many channels.
    pub(crate) fn draw(channels: usize, rng: &mut Rng) -> Self {
        let mut of_one = || {
            let mut begins = Instant::now() + rng.up_to_ms(15_000);
            let mut seasons = Vec::with_capacity(DRAWN);
            for _ in 0..DRAWN {
                let longest = LASTS_MS[rng.below(LASTS_MS.len())];
                let ends = begins + rng.up_to_ms(longest);
                seasons.push((begins, ends));
                begins = ends + RESTS + rng.up_to_ms(RESTS_LONGER_MS);
            }
            seasons
        };
        Self((0..channels).map(|_| of_one()).collect())
    }

    /// Whether the channel with this number is published to now. Where there are no seasons it always is.
    pub(crate) fn is_on(&self, channel: usize) -> bool {
        let now = Instant::now();
        self.0.get(channel).is_none_or(|seasons| seasons.iter().any(|(begins, ends)| (*begins..=*ends).contains(&now)))
    }

    /// The season that begins next: its channel, and when it begins.
    pub(crate) fn next(&self) -> Option<(usize, Instant)> {
        let now = Instant::now();
        let begins = |(channel, seasons): (usize, &Vec<(Instant, Instant)>)| {
            seasons.iter().map(move |(begins, _)| (channel, *begins)).find(|(_, begins)| *begins > now)
        };
        self.0.iter().enumerate().filter_map(begins).min_by_key(|(_, begins)| *begins)
    }
}
