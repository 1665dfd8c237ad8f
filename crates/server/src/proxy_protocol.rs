//! The PROXY protocol, versions 1 and 2: with which a proxy that only passes bytes on says, before the first of them, for whom
//! it does (`doc/proxy-protocol.txt` of HAProxy, section 2).
//!
//! A connection either begins with a header or it does not, by configuration: nothing is guessed from its first bytes (section
//! 5), or a client could write the header itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use fanfare_protocol::limits::PROXY_HEADER_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest header of version 1, with its line break (section 2.1).
const V1_BYTES_MAX: usize = 107;
const V1_BEGINNING: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length (section 2.2).
const V2_HEAD: usize = 16;
/// What is read at first: a header of version 1, or one of version 2 with some of its TLVs.
const FIRST_READ: usize = 256;

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None`: the proxy connects for itself (`LOCAL`), or does not know the client (`UNKNOWN`), or it is none that has an address.
    pub(crate) client: Option<IpAddr>,
    /// Its size in bytes. What follows is the client's.
    pub(crate) length: usize,
}

/// Why no header was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("the connection does not begin with a header of the PROXY protocol")]
    Malformed,
    #[error("the header of the PROXY protocol is incomplete: {0}")]
    Incomplete(io::Error),
    /// What a balancer does that looks whether anybody listens.
    #[error("the connection ended before its first byte")]
    Unbegun,
    #[error("the header of the PROXY protocol did not come in time")]
    Late,
}

/// Reads a header. Also returns what was read of the bytes after it. Not cancel-safe: the connection is over when this is dropped.
pub(crate) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Result<(Header, Vec<u8>), HeaderError> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    loop {
        if let Some(header) = parse(&bytes)? {
            bytes.drain(..header.length);
            return Ok((header, bytes));
        }
        // Grows by little at a time, and never beyond what `parse` takes for a header.
        let end = match socket.read_buf(&mut bytes).await {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => continue,
            Err(error) => error,
        };
        return Err(if bytes.is_empty() { HeaderError::Unbegun } else { HeaderError::Incomplete(end) });
    }
}

/// Parses the header at the beginning of these bytes. `None`: it may be one, and is not complete.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let agrees = |beginning: &[u8]| bytes.iter().zip(beginning).all(|(a, b)| a == b);
    if agrees(V2_SIGNATURE) {
        version_2(bytes)
    } else if agrees(V1_BEGINNING) {
        version_1(bytes)
    } else {
        Err(HeaderError::Malformed)
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and a line break.
fn version_1(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let line = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = line.windows(2).position(|two| two == b"\r\n") else {
        return if line.len() == V1_BYTES_MAX { Err(HeaderError::Malformed) } else { Ok(None) };
    };
    let client = client_of_line(&line[..end]).ok_or(HeaderError::Malformed)?;
    Ok(Some(Header { client, length: end + 2 }))
}

/// `None`: not a line of version 1.
fn client_of_line(line: &[u8]) -> Option<Option<IpAddr>> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ').skip(1);
    match words.next()? {
        // "The receiver must ignore anything presented before the CRLF."
        "UNKNOWN" => Some(None),
        "TCP4" => Some(Some(source::<Ipv4Addr>(words)?)),
        "TCP6" => Some(Some(source::<Ipv6Addr>(words)?)),
        _ => None,
    }
}

/// The first of two addresses, which two ports follow.
fn source<'a, A: FromStr + Into<IpAddr>>(mut words: impl Iterator<Item = &'a str>) -> Option<IpAddr> {
    let mut address = || words.next()?.parse::<A>().ok();
    let (source, _destination) = (address()?, address()?);
    let mut is_port = || {
        let port = words.next().unwrap_or_default();
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    let source: IpAddr = source.into();
    (is_port() && is_port() && words.next().is_none()).then(|| source.to_canonical())
}

fn version_2(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    // Version 2 in the upper half; the commands are LOCAL and PROXY.
    let is_local = match bytes.get(12) {
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(HeaderError::Malformed),
        None => return Ok(None),
    };
    let Some(head) = bytes.first_chunk::<V2_HEAD>() else { return Ok(None) };
    let length = V2_HEAD + usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > PROXY_HEADER_BYTES_MAX {
        return Err(HeaderError::Malformed);
    }
    let Some(addresses) = bytes.get(V2_HEAD..length) else { return Ok(None) };
    // Of LOCAL all that follows is ignored, the family as well. What follows the addresses are TLVs.
    let client = if is_local { None } else { client_of_block(head[13], addresses).ok_or(HeaderError::Malformed)? };
    Ok(Some(Header { client, length }))
}

/// `None`: not of version 2. `family` says in its upper half what addresses follow, and in its lower half the transport.
fn client_of_block(family: u8, addresses: &[u8]) -> Option<Option<IpAddr>> {
    const TCP_OVER_IPV4: (u8, usize) = (0x11, 2 * 4 + 2 * 2);
    const TCP_OVER_IPV6: (u8, usize) = (0x21, 2 * 16 + 2 * 2);
    let source = match family {
        family if family == TCP_OVER_IPV4.0 => IpAddr::from(*addresses.get(..TCP_OVER_IPV4.1)?.first_chunk::<4>()?),
        family if family == TCP_OVER_IPV6.0 => IpAddr::from(*addresses.get(..TCP_OVER_IPV6.1)?.first_chunk::<16>()?),
        // Unspecified, datagrams, sockets of a file system: valid, and nothing to know a client by.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => return Some(None),
        _ => return None,
    };
    Some(Some(source.to_canonical()))
}

#[cfg(test)]
mod tests;
