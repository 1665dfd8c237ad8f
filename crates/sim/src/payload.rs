//! The data of events: a name that no other event has, and filler up to a size. Everybody who compares events compares names.

/// What stands between the name of an event and its filler: the number of bytes of both together follows.
const MARK: &str = " #";
const FILLER: char = 'x';

/// Data of at least so many bytes.
pub(crate) fn sized(name: &str, bytes: usize) -> String {
    let mut data = format!("{name}{MARK}{bytes} ");
    let filler = bytes.saturating_sub(data.len());
    data.extend(std::iter::repeat_n(FILLER, filler));
    data
}

/// The part of the data that tells it from all others.
///
/// # Errors
/// The filler is not what was published.
pub(crate) fn name_of(data: &str) -> Result<&str, String> {
    let Some((name, rest)) = data.split_once(MARK) else { return Ok(data) };
    let (bytes, filler) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_whole = bytes.parse::<usize>().is_ok_and(|bytes| data.len() == bytes.max(data.len() - filler.len()));
    match is_whole && filler.bytes().all(|byte| byte == b'x') {
        true => Ok(name),
        false => Err(format!("{} bytes came of {name}, of which {bytes} were published", data.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_again_and_damage_is_seen() {
        let data = sized("a 1.2", 100);
        assert_eq!((data.len(), name_of(&data)), (100, Ok("a 1.2")));
        assert_eq!(name_of(&sized("a 1.2", 3)), Ok("a 1.2"));
        assert_eq!(name_of("ephemeral"), Ok("ephemeral"));
        assert!(name_of(&data[..99]).is_err() && name_of(&data.replace("xx", "xy")).is_err());
    }
}
