//! Whether a server speaks HTTP/2.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mio::net::TcpStream;

use crate::target::Protocol;
use crate::transport::polled::H2;
use crate::transport::socket::Socket;
use crate::transport::tls::Connector;

/// The preface of a client with empty settings, RFC 9113 sections 3.4 and 6.5.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Bytes of a frame's header, and where its type stands in it.
const HEADER: usize = 9;
const TYPE: usize = 3;
const SETTINGS: u8 = 4;
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Whether the server at `address` answers the preface with its settings.
///
/// # Errors
/// When it cannot be reached, or says nothing in ten seconds.
pub(super) fn speaks_http2(address: SocketAddr, protocol: &Protocol) -> Result<bool> {
    let connector = protocol.tls.as_ref().map(|trust| Connector::new(trust, &address.to_string(), true)).transpose()?;
    let socket = TcpStream::connect(address)?;
    let mut socket = match &connector {
        Some(connector) => connector.secure(socket)?,
        None => Socket::Plain(socket),
    };
    let deadline = Instant::now() + PATIENCE;
    let (mut left, mut answer) = (PREFACE, Vec::new());
    while Instant::now() < deadline {
        if let Some(count) = now(socket.write(left))? {
            left = &left[count..];
        }
        let mut buffer = [0; 256];
        match now(socket.read(&mut buffer)) {
            // A server without HTTP/2 that understands nothing closes, and one without a protocol in common, too.
            Ok(Some(0)) => return Ok(false),
            Ok(count) => answer.extend_from_slice(&buffer[..count.unwrap_or(0)]),
            Err(_) => return Ok(false),
        }
        if socket.agreed_on(H2) == Some(false) {
            return Ok(false);
        }
        if answer.len() >= HEADER {
            return Ok(answer[TYPE] == SETTINGS);
        }
        std::thread::sleep(PAUSE);
    }
    bail!("{address} says nothing")
}

/// What a call did now; `None`: it will later.
fn now(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error)
            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
