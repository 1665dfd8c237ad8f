//! What is published: a name that nobody else uses, and filler that shows whether the bytes arrived whole.

/// Marks an ephemeral event, which nobody judges.
pub(crate) const EPHEMERAL: char = '~';

/// The size limit of the nodes. Some events are just below it, some are larger.
pub(crate) const EVENT_BYTES: usize = 3 * 1024 * 1024;

/// Data that the publishing function pushes; what is larger it announces.
pub(crate) const PUSHED_BYTES: usize = 1024 * 1024;

/// `channel.publisher.number.length`: unique in a run, and enough to know every byte of the data.
pub(crate) fn name(channel: &str, publisher: usize, number: u64, length: usize) -> String {
    let name = format!("{channel}.{publisher}.{number}.");
    // The name itself and a space have to fit.
    let length = length.max(name.len() + 8);
    format!("{name}{length}")
}

/// The name of the last event of a channel.
pub(crate) fn last(channel: &str) -> String {
    name(channel, usize::MAX, 0, 0)
}

/// The data of the event with this name.
pub(crate) fn data(name: &str) -> String {
    let length = length(name);
    let filler = char::from(b'a' + name.bytes().fold(0u8, u8::wrapping_add) % 26);
    let mut data = format!("{name} ");
    data.extend(std::iter::repeat_n(filler, length.saturating_sub(data.len())));
    data
}

/// Whether the event with this name is over the limit that the nodes are given.
pub(crate) fn is_too_large(name: &str) -> bool {
    length(name) > EVENT_BYTES
}

fn length(name: &str) -> usize {
    name.rsplit('.').next().and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// The name that data begins with, whatever follows it.
pub(crate) fn name_in(data: &str) -> &str {
    data.split(' ').next().unwrap_or_default()
}

/// The name of an event by its data; `Err` when the data is not exactly what was published under that name.
pub(crate) fn read(received: &str) -> Result<&str, String> {
    let name = name_in(received);
    if name.splitn(4, '.').count() == 4 && data(name) == received {
        return Ok(name);
    }
    let start: String = received.chars().take(80).collect();
    Err(format!("data that nobody published: {start:?} ({} bytes)", received.len()))
}

/// The channel that a name belongs to.
pub(crate) fn channel(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    // Seen to fail when `read` believes the name and does not look at the rest.
    #[test]
    fn data_that_lost_a_byte_or_gained_one_is_recognised() {
        let name = super::name("c01", 2, 77, 40);
        let data = super::data(&name);
        assert_eq!((data.len(), super::read(&data)), (40, Ok(name.as_str())));
        assert_eq!(super::channel(&name), "c01");
        assert!(super::read(&data[..39]).is_err());
        assert!(super::read(&format!("{data}x")).is_err());
        assert!(super::read("hello").is_err());
    }
}
