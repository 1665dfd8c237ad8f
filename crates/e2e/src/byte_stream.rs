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
    carrier: Carrier,
    /// The server closed TCP without having said within TLS that it would.
    is_unannounced: bool,
}

/// What carries the bytes.
#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    Tls(Tls),
    /// For whoever speaks HTTP/1.1.
    Http2(Box<Http2Stream>),
}

#[derive(Debug)]
struct Tls {
    tcp: TcpStream,
    /// Boxed, as it is a kilobyte.
    session: Box<ClientConnection>,
}

impl Tls {
    fn begin(config: &Arc<ClientConfig>, tcp: TcpStream) -> io::Result<Self> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let mut session = Box::new(ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?);
        // What is sent waits for the handshake, and whoever sends knows how much it is.
        session.set_buffer_limit(None);
        let mut tls = Self { tcp, session };
        tls.flush()?;
        Ok(tls)
    }

    /// Sends what there is to send.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}

/// Where a connection comes from, and what the kernel is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) source: Option<SocketAddr>,
    /// The kernel's buffer for what comes, in bytes.
    pub(crate) receive_buffer: Option<usize>,
    /// The longest that one write may wait.
    pub(crate) writes_within: Option<Duration>,
    /// Over HTTP/2 it may have a connection that others have too.
    pub(crate) may_share: bool,
}

impl Origin {
    fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = self.source {
            socket.bind(&source.into())?;
        }
        socket.connect_timeout(&address.into(), CONNECTS_WITHIN)?;
        let tcp = TcpStream::from(socket);
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(self.writes_within)?;
        Ok(tcp)
    }
}

impl ByteStream {
    /// Connects, or takes a place on a connection that is there.
    pub(crate) fn open(transport: &Transport, origin: Origin, address: SocketAddr) -> io::Result<Self> {
        let connect = || origin.connect(address);
        let carrier = match transport {
            Transport::Plain => Carrier::Tcp(connect()?),
            Transport::Tls(config) => Carrier::Tls(Tls::begin(config, connect()?)?),
            Transport::Http2(clients) => {
                let place = if origin.may_share { clients.share(address, connect) } else { clients.alone(connect()?) };
                Carrier::Http2(Box::new(Http2Stream::new(place?)))
            }
        };
        Ok(Self { carrier, is_unannounced: false })
    }

    /// From now on TLS is spoken. Panics where something else is already.
    pub(crate) fn begin_tls(self, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let Carrier::Tcp(tcp) = self.carrier else { panic!("TLS begins in the clear") };
        Ok(Self { carrier: Carrier::Tls(Tls::begin(config, tcp)?), is_unannounced: false })
    }

    /// Sends bytes; behind the handshake, when that is not done.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => tcp.write_all(bytes),
            Carrier::Tls(tls) => {
                tls.session.writer().write_all(bytes)?;
                tls.flush()
            }
            // What follows a request of HTTP/2 is as much nonsense there as it is behind one of HTTP/1.1.
            Carrier::Http2(stream) => {
                if stream.send(bytes)? {
                    Ok(())
                } else {
                    stream.send_raw(bytes)
                }
            }
        }
    }

    /// Reads once, at most `buffer`, and of the socket at most as many bytes at a time: 0 at the end, `None` at the deadline. A part of a
    /// record that has come by then is kept.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => {
                tcp.set_read_timeout(Some(left(deadline)))?;
                or_wait(tcp.read(buffer))
            }
            Carrier::Tls(tls) => match read_tls(tls, buffer, deadline) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.is_unannounced = true;
                    Ok(Some(0))
                }
                read => read,
            },
            Carrier::Http2(stream) => stream.read(buffer, deadline),
        }
    }

    /// What waits in the kernel, at most 64 KiB, without taking it. Blocks until there is something. Panics where it is not
    /// what HTTP/1.1 has: ciphertext or frames.
    pub(crate) fn peek(&self, within: Duration) -> io::Result<Vec<u8>> {
        let Carrier::Tcp(tcp) = &self.carrier else { panic!("what the kernel holds cannot be read") };
        tcp.set_read_timeout(Some(within))?;
        let mut buffer = vec![0; 64 * 1024];
        let count = tcp.peek(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// Whether the server closed TCP without having said so within TLS (RFC 8446, section 6.1), so that somebody else may have cut it.
    pub(crate) fn is_unannounced(&self) -> bool {
        self.is_unannounced
    }

    /// The certificate that the server has shown, in DER, once the handshake has come that far.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        let Carrier::Tls(tls) = &self.carrier else { return None };
        Some(tls.session.peer_certificates()?.first()?)
    }

    /// Sends with another key from now on, and asks the server to do so, too (RFC 8446, section 4.6.3). Panics where TLS is not spoken.
    pub(crate) fn update_keys(&mut self) -> io::Result<()> {
        let Carrier::Tls(tls) = &mut self.carrier else { panic!("there are no keys to change") };
        tls.session.refresh_traffic_keys().map_err(io::Error::other)?;
        tls.flush()
    }

    /// Closes the sending half only.
    pub(crate) fn half_close(&mut self) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Tcp(tcp) => tcp.shutdown(Shutdown::Write),
            Carrier::Tls(tls) => {
                tls.session.send_close_notify();
                tls.flush()?;
                tls.tcp.shutdown(Shutdown::Write)
            }
            Carrier::Http2(stream) => stream.half_close(),
        }
    }

    /// Closes as a client does that goes on living: over TLS it says so, and over HTTP/2 it ends its stream, if the socket takes that at
    /// once.
    pub(crate) fn close(self) {
        match self.carrier {
            Carrier::Tcp(_) => {}
            Carrier::Tls(mut tls) => {
                tls.session.send_close_notify();
                // Who does not read does not hear it.
                let _ = tls.tcp.set_nonblocking(true).and_then(|()| tls.flush());
            }
            Carrier::Http2(stream) => stream.close(),
        }
    }

    /// Closes so that the peer sees a reset, as when a device vanishes and its address answers for it. TLS says nothing, and streams of
    /// HTTP/2 that share the connection end with it.
    pub(crate) fn abort(self) {
        let tcp = match self.carrier {
            Carrier::Tcp(tcp) => tcp,
            Carrier::Tls(tls) => tls.tcp,
            Carrier::Http2(stream) => return stream.abort(),
        };
        // If the option cannot be set, the peer sees an orderly close: still an end.
        let _ = Socket::from(tcp).set_linger(Some(Duration::ZERO));
    }
}

/// Reads once what was protected.
fn read_tls(tls: &mut Tls, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
    loop {
        match tls.session.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read.map(Some),
        }
        tls.tcp.set_read_timeout(Some(left(deadline)))?;
        let records = tls.session.read_tls(&mut (&tls.tcp).take(buffer.len() as u64));
        if or_wait(records)?.is_none() {
            return Ok(None);
        }
        let processed = tls.session.process_new_packets();
        // The next message of the handshake, and what waited for it; or an alert. A server that does not read is no reason not to.
        let flushed = tls.flush().or_else(|error| if waits(&error) { Ok(()) } else { Err(error) });
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        flushed?;
    }
}

/// How long a read may wait.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT)
}

/// What was read; `None`: nothing in time.
fn or_wait(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Err(error) if waits(&error) => Ok(None),
        read => read.map(Some),
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
