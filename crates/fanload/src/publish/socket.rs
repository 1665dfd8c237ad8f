//! A connection on which every wait has an end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::stage::{GLANCE, Stage};

/// How long a publisher waits for an answer, or for room to send.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connect may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A TCP connection whose reads and writes fail after 20 seconds without progress, and soon after Ctrl-C.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    stage: Stage,
}

impl Socket {
    pub(super) fn connect(address: SocketAddr, stage: &Stage) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GLANCE))?;
        stream.set_write_timeout(Some(GLANCE))?;
        Ok(Self { stream, stage: stage.clone() })
    }

    /// Closes it in both directions; harmless when it is closed.
    pub(super) fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn patiently<T>(&mut self, mut attempt: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        let begun = Instant::now();
        loop {
            match attempt(&mut self.stream) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.stage.check().map_err(io::Error::other)?;
                    if begun.elapsed() >= PATIENCE {
                        let text = format!("nothing within {} s", PATIENCE.as_secs());
                        return Err(io::Error::new(ErrorKind::TimedOut, text));
                    }
                }
                result => return result,
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
