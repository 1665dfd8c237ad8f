//! One connection to a server as a stream of bytes, be it TCP alone, TLS over it, or HTTP/2 that is translated.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, Type};

use crate::certificate::NAME;
use crate::http2_stream::Http2Stream;
use crate::transport::Transport;

/// How long a connection may take. It ends there.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
/// The longest wait for a byte that a deadline in the past still allows.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A connection. Of a handshake the first message is sent at once, and the rest as the bytes of the server are read; what is sent
/// before it is done goes out then. So a connection over TLS, too, is there before the server has said anything.
#[derive(Debug)]
pub(crate) struct ByteStream {
    tcp: TcpStream,
    /// Boxed, as it is a kilobyte.
    tls: Option<Box<ClientConnection>>,
    /// Reads and writes the same socket, for whoever speaks HTTP/1.1.
    http2: Option<Box<Http2Stream>>,
    /// The server closed TCP without having said within TLS that it would.
    is_unannounced: bool,
}

/// Where a connection comes from, and what the kernel is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) source: Option<SocketAddr>,
    /// The kernel's buffer for what comes, in bytes.
    pub(crate) receive_buffer: Option<usize>,
    /// The longest that one write may wait.
    pub(crate) writes_within: Option<Duration>,
}

impl ByteStream {
    /// Connects.
    pub(crate) fn open(transport: &Transport, origin: Origin, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(bytes) = origin.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = origin.source {
            socket.bind(&source.into())?;
        }
        socket.connect_timeout(&address.into(), CONNECTS_WITHIN)?;
        let tcp = TcpStream::from(socket);
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(origin.writes_within)?;
        let mut stream = Self { tcp, tls: None, http2: None, is_unannounced: false };
        match transport {
            Transport::Plain => {}
            Transport::Tls(config) => stream.begin_tls(config)?,
            Transport::Http2 => stream.http2 = Some(Box::new(Http2Stream::new(stream.tcp.try_clone()?)?)),
        }
        Ok(stream)
    }

    /// From now on TLS is spoken.
    pub(crate) fn begin_tls(&mut self, config: &Arc<ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        // What is sent waits for the handshake, and whoever sends knows how much it is.
        tls.set_buffer_limit(None);
        self.tls = Some(Box::new(tls));
        self.flush()
    }

    /// Sends bytes; behind the handshake, when that is not done.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(http2) = &mut self.http2
            && http2.send(bytes)?
        {
            return Ok(());
        }
        // What follows a request of HTTP/2 is as much nonsense there as it is behind one of HTTP/1.1.
        let Some(tls) = &mut self.tls else { return self.tcp.write_all(bytes) };
        tls.writer().write_all(bytes)?;
        self.flush()
    }

    /// Sends what TLS has to send.
    fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Reads once, at most `buffer`, and of the socket at most as many bytes at a time: 0 at the end, `None` at the deadline. A part of a
    /// record that has come by then is kept.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
        if let Some(http2) = &mut self.http2 {
            return http2.read(buffer, deadline);
        }
        loop {
            if let Some(tls) = &mut self.tls {
                match tls.reader().read(buffer) {
                    Ok(count) => return Ok(Some(count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        self.is_unannounced = true;
                        return Ok(Some(0));
                    }
                    Err(error) => return Err(error),
                }
            }
            let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT);
            self.tcp.set_read_timeout(Some(left))?;
            let read = match &mut self.tls {
                None => self.tcp.read(buffer),
                Some(tls) => tls.read_tls(&mut (&self.tcp).take(buffer.len() as u64)),
            };
            let count = match read {
                Ok(count) => count,
                Err(error) if waits(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            let Some(tls) = &mut self.tls else { return Ok(Some(count)) };
            let processed = tls.process_new_packets();
            // The next message of the handshake, and what waited for it; or an alert. A server that does not read is no reason not to.
            let flushed = self.flush().or_else(|error| if waits(&error) { Ok(()) } else { Err(error) });
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            flushed?;
        }
    }

    /// What waits in the kernel, at most 64 KiB, without taking it. Blocks until there is something. Panics where it is not
    /// what HTTP/1.1 has: ciphertext or frames.
    pub(crate) fn peek(&self, within: Duration) -> io::Result<Vec<u8>> {
        assert!(self.tls.is_none() && self.http2.is_none(), "what the kernel holds cannot be read");
        self.tcp.set_read_timeout(Some(within))?;
        let mut buffer = vec![0; 64 * 1024];
        let count = self.tcp.peek(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// Whether the server closed TCP without having said so within TLS (RFC 8446, section 6.1), so that somebody else may have cut it.
    pub(crate) fn is_unannounced(&self) -> bool {
        self.is_unannounced
    }

    /// The certificate that the server has shown, in DER, once the handshake has come that far.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        Some(self.tls.as_ref()?.peer_certificates()?.first()?)
    }

    /// Closes the sending half only.
    pub(crate) fn half_close(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()?;
        self.tcp.shutdown(Shutdown::Write)
    }

    /// Closes as a client does that goes on living: over TLS it says so, if the socket takes that at once.
    pub(crate) fn close(mut self) {
        if let Some(http2) = self.http2.take() {
            return http2.close();
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        // Who does not read does not hear it.
        let _ = self.tcp.set_nonblocking(true).and_then(|()| self.flush());
    }

    /// Closes so that the peer sees a reset, as when a device vanishes and its address answers for it. TLS says nothing.
    pub(crate) fn abort(self) {
        let Self { tcp, tls: _, http2, .. } = self;
        let socket = Socket::from(tcp);
        // If the option cannot be set, the peer sees an orderly close: still an end.
        let _ = socket.set_linger(Some(Duration::ZERO));
        // Before the last handle of the socket closes it; it says nothing more by itself.
        drop(http2);
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
