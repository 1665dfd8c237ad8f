//! A web server of somebody else: one that publishes keys, or an application.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::authority::{Authority, Issued};
use crate::ports::Lease;
use crate::wait::pace;

/// Between two bytes of an answer that trickles.
const TRICKLE: Duration = Duration::from_millis(100);

/// A request that it got.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Request line and headers, as they came.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The value of a header, if it came once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Sends this: a whole response, or whatever it is.
    Send(Vec<u8>),
    /// Sends nothing, until the client has gone.
    Hang,
    /// Sends a head, and then one byte after the other, until the client has gone.
    Trickle,
}

impl Answer {
    /// A response with a body of JSON.
    pub fn json(status: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        Self::Send(format!("{head}{body}").into_bytes())
    }
}

type Answers = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server on a port of its own, which it keeps while it is down. One request for each connection.
pub struct WebServer {
    port: Lease,
    shared: Arc<Shared>,
    tls: Option<TempDir>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

struct Shared {
    answers: Box<Answers>,
    asked: Mutex<Vec<Asked>>,
    tls: Option<Arc<ServerConfig>>,
}

impl WebServer {
    /// One that speaks HTTP, running.
    pub fn http(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::new(Box::new(answers), None, None)
    }

    /// One that speaks HTTPS, with a certificate for `localhost` of an authority of its own, running.
    pub fn https(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new("the authority of a web server");
        authority.write(&directory.path().join("ca.pem"));
        let Issued { certificate, key } = authority.issue_to_host("localhost");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).expect("a certificate and its key");
        Self::new(Box::new(answers), Some(Arc::new(config)), Some(directory))
    }

    fn new(answers: Box<Answers>, config: Option<Arc<ServerConfig>>, tls: Option<TempDir>) -> Self {
        let shared = Arc::new(Shared { answers, asked: Mutex::default(), tls: config });
        let mut server = Self { port: Lease::take(), shared, tls, running: None };
        server.start();
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        match self.tls {
            Some(_) => format!("https://localhost:{}{path}", self.port.port()),
            None => format!("http://127.0.0.1:{}{path}", self.port.port()),
        }
    }

    /// The file with the certificate of its authority; panics if it speaks no TLS.
    pub fn authority_file(&self) -> PathBuf {
        self.tls.as_ref().expect("it speaks TLS").path().join("ca.pem")
    }

    /// The requests that it got so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic").clone()
    }

    /// Ends it: nobody listens on its port.
    pub fn stop(&mut self) {
        let Some((stop, thread)) = self.running.take() else { return };
        stop.store(true, Ordering::SeqCst);
        // It looks at the flag when somebody comes.
        drop(TcpStream::connect(self.port.address()));
        thread.join().expect("the server's thread");
    }

    /// Starts it again, on its port.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let listener = TcpListener::bind(self.port.address()).expect("a leased port");
        let (stop, shared) = (Arc::new(AtomicBool::new(false)), Arc::clone(&self.shared));
        let is_over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(socket), shared) = (socket, Arc::clone(&shared)) else { continue };
                // It ends with its client, and with the test at the latest.
                std::thread::spawn(move || shared.serve(socket));
            }
        });
        self.running = Some((stop, thread));
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn serve(&self, socket: TcpStream) {
        // A client that goes away, or does not like the certificate, is no failure of the server.
        let _ = match &self.tls {
            None => self.answer(socket),
            Some(config) => match ServerConnection::new(Arc::clone(config)) {
                Ok(connection) => self.answer(StreamOwned::new(connection, socket)),
                Err(error) => Err(io::Error::other(error)),
            },
        };
    }

    fn answer(&self, mut socket: impl Read + Write) -> io::Result<()> {
        let asked = read(&mut socket)?;
        self.asked.lock().expect("no panic").push(asked.clone());
        match (self.answers)(&asked) {
            Answer::Send(bytes) => {
                socket.write_all(&bytes)?;
                socket.flush()
            }
            Answer::Hang => socket.read(&mut [0; 1]).map(drop),
            Answer::Trickle => {
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    socket.write_all(b" ")?;
                    socket.flush()?;
                    pace(TRICKLE);
                }
            }
        }
    }
}

fn read(socket: &mut impl Read) -> io::Result<Asked> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let mut asked = Asked { head: String::from_utf8_lossy(&head).into_owned(), body: String::new() };
    let length = asked.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Ok(asked)
}
