//! The header of the PROXY protocol, which whoever reaches the listener from a trusted network can write.

use std::net::IpAddr;

use fanfare_protocol::limits::PROXY_HEADER_BYTES_MAX;
use fanfare_server::fuzzing;

/// A decision is made at one byte, and nothing that follows changes it. The address of a line is its third word.
pub(crate) fn run(data: &[u8]) {
    let whole = fuzzing::proxy_header(data);
    let decided = (0..=data.len()).find(|cut| !matches!(fuzzing::proxy_header(&data[..*cut]), Ok(None)));
    let Some(decided) = decided else { return assert_eq!(whole, Ok(None)) };
    assert_eq!(fuzzing::proxy_header(&data[..decided]), whole);
    assert!(decided <= PROXY_HEADER_BYTES_MAX, "{decided} bytes were read");
    let Ok(header) = whole else { return };
    let (client, length) = header.expect("what was decided stays so");
    assert_eq!(length, decided, "a header ends where it is complete");
    if data.starts_with(b"PROXY ") {
        let line = String::from_utf8_lossy(&data[..length]).into_owned();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let named = words.get(2).filter(|_| words[1] != "UNKNOWN").and_then(|word| word.parse::<IpAddr>().ok());
        assert_eq!(client, named.map(|address| address.to_canonical()));
    }
}
