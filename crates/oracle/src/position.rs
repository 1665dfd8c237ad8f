//! Positions, read from their text as docs/protocol.md describes it and independently of the product.

use crate::entry_id::EntryId;

/// The digits of base 64, by their values.
const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
/// Digits of the milliseconds in the short form.
const MS: usize = 7;
/// Digits of a number of 64 bits, and of a whole tag.
const WHOLE: usize = 11;

/// What a position says about one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The entry with this id was delivered last.
    At(EntryId),
    /// There was no stream when the clock of Redis said this, in milliseconds.
    Absent {
        /// That time.
        at_ms: u64,
    },
}

impl Position {
    /// The position of a client of one channel: an entry's id, or `~`, a time, `.` and an epoch.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('~') {
            None => text.parse().ok().map(Self::At),
            Some(absent) => Some(Self::Absent { at_ms: absent.split_once('.')?.0.parse().ok()? }),
        }
    }

    /// What the position of a client of these channels says about each of them; `None` for one of which it says nothing, and
    /// for all when the text is no position of such a client. A vector is one of a client of one channel, too: its URL may not name it.
    pub fn parse_all(text: &str, channels: &[String]) -> Option<Vec<Option<Self>>> {
        match channels {
            [_] if !text.starts_with(['v', 'w', 'x']) => Self::parse(text).map(|position| vec![Some(position)]),
            _ => parse_vector(text, channels),
        }
    }
}

fn parse_vector(text: &str, channels: &[String]) -> Option<Vec<Option<Position>>> {
    let digits = match text.chars().next()? {
        'v' => 3,
        'w' => 6,
        'x' => WHOLE,
        _ => return None,
    };
    let tags: Vec<String> = channels.iter().map(|channel| tag(channel)).collect();
    let mut places = vec![None; channels.len()];
    for component in text[1..].split('.').filter(|component| !component.is_empty()) {
        let (tag, position) = component.split_at_checked(digits)?;
        let position = read_position(position)?;
        // What belongs to none of the channels would be ignored by a node too.
        if let Some(index) = tags.iter().position(|own| own.starts_with(tag)) {
            places[index] = Some(position);
        }
    }
    Some(places)
}

fn read_position(text: &str) -> Option<Position> {
    let (ms, seq) = if let Some(long) = text.strip_prefix("~~") {
        long.split_at_checked(WHOLE)?
    } else if let Some(absence) = text.strip_prefix('~') {
        return Some(Position::Absent { at_ms: number(absence.split_at_checked(MS)?.0)? });
    } else {
        text.split_at_checked(MS)?
    };
    Some(Position::At(EntryId { ms: number(ms)?, seq: number(seq)? }))
}

fn number(text: &str) -> Option<u64> {
    text.chars().try_fold(0u64, |value, digit| {
        let digit = DIGITS.find(digit)? as u64;
        Some(value.checked_mul(64)? + digit)
    })
}

/// The tag of a channel, all of its digits: the name's FNV-1a hash of 64 bits, finished like MurmurHash3.
fn tag(channel: &str) -> String {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = channel.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^= hash >> 33;
    // The bits stand to the left: the last digit has two to spare.
    let wide = u128::from(hash) << 2;
    (0..WHOLE).rev().map(|place| char::from(DIGITS.as_bytes()[(wide >> (6 * place)) as usize & 63])).collect()
}

#[cfg(test)]
mod tests {
    use super::{Position, parse_vector};
    use crate::EntryId;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn at(ms: u64, seq: u64) -> Option<Position> {
        Some(Position::At(EntryId { ms, seq }))
    }

    const ABSENT: Option<Position> = Some(Position::Absent { at_ms: 1_526_919_030_474 });

    // The texts are those of docs/protocol.md and of the product's own tests. Seen to fail with a digit, a length or a shift
    // changed.
    #[test]
    fn positions_of_the_product_are_read_as_the_ids_that_they_stand_for() {
        let one = |text: &str| parse_vector(text, &names(&["orders"])).and_then(|mut places| places.remove(0));
        assert_eq!(one("vCb8ME3TsRA"), at(1_526_919_030_474, 0));
        assert_eq!(one("vCb8ME3TsRAt"), at(1_526_919_030_474, 55));
        assert_eq!(one("vCb8~ME3TsRAgytl"), ABSENT);
        assert_eq!(one("vCb8~~0001000000000000000000"), at(4_398_046_511_104, 0));
        let text = "vCb8PgajaK0.EE7PgajaK6.EH2PgajaK1.RcSPgajaK3.TmaPgajaK4.WgAPgajaK2.fPNPgajaK5.t89PgajaK7";
        let channels = names(&["orders", "prices", "a", "b", "c", "d", "e", "f"]);
        let ids: Vec<_> = (0..8).map(|index| at(1_763_700_000_000 + index, 0)).collect();
        assert_eq!(Position::parse_all(text, &channels), Some(ids));
    }

    // Seen to fail when a component of a channel that was not asked for is taken for one that was.
    #[test]
    fn a_channel_without_a_component_has_no_place_and_other_texts_are_no_position() {
        let orders = at(1_526_919_030_474, 0);
        assert_eq!(parse_vector("vCb8ME3TsRA", &names(&["prices", "orders"])), Some(vec![None, orders]));
        assert_eq!(parse_vector("v", &names(&["prices"])), Some(vec![None]));
        for text in ["", "1526919030474-0", "vCb8", "vCb8ME3T", "vCb8ME3TsR!", "q"] {
            assert_eq!(parse_vector(text, &names(&["orders"])), None, "{text}");
        }
    }

    // Seen to fail when the time of an absence is not read.
    #[test]
    fn a_client_of_one_channel_has_the_entrys_id_or_the_time_at_which_there_was_no_stream() {
        assert_eq!(Position::parse("1526919030474-55"), at(1_526_919_030_474, 55));
        assert_eq!(Position::parse("~1526919030474.gytl"), ABSENT);
        assert_eq!(Position::parse_all("~1526919030474.gytl", &names(&["orders"])), Some(vec![ABSENT]));
        for text in ["", "~", "~1526919030474", "1526919030474", "vCb8ME3TsRA"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
