//! Waiting for a server that was just started.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::Process;

/// How long a server may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);
/// Bytes of a log that an error shows.
const LOG_SHOWN: usize = 2_000;

/// Waits until `look` finds what it looks for, 20 seconds at most.
///
/// # Errors
/// When the process ends or the time is over; shows the end of its log.
pub(super) fn until<T>(
    what: &str,
    process: &mut Process,
    log: &Path,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        let ended = !process.runs();
        if ended || Instant::now() >= deadline {
            let why = if ended { "it has ended" } else { "20 seconds are over" };
            bail!("{what} does not serve: {why}; its log ends with:\n{}", end_of(log));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The body of a `GET` that was answered with 200; `None` for anything else.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes(), usize::MAX)?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then(|| body.to_owned())
}

/// Whether a Redis server answers.
pub(super) fn redis_answers(address: SocketAddr) -> bool {
    exchange(address, b"PING\r\n", 7).is_some_and(|answer| answer == "+PONG\r\n")
}

/// Sends `request` and reads `length` bytes, or to the end.
fn exchange(address: SocketAddr, request: &[u8], length: usize) -> Option<String> {
    let mut socket = TcpStream::connect_timeout(&address, LOOK).ok()?;
    socket.set_read_timeout(Some(LOOK)).ok()?;
    socket.write_all(request).ok()?;
    let mut answer = String::new();
    socket.take(length as u64).read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn end_of(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_SHOWN)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_ends_at_once_is_reported_with_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "echo no such luck"]);
        let mut process = Process::start(&command, None, &log).unwrap();
        let error = until("the shell", &mut process, &log, || None::<()>).unwrap_err().to_string();
        assert!(error.contains("the shell does not serve: it has ended") && error.contains("no such luck"), "{error}");
    }

    #[test]
    fn only_a_200_has_a_body() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            for answer in ["HTTP/1.1 200 OK\r\n\r\nready", "HTTP/1.1 503 Not Yet\r\n\r\nwait"] {
                let (mut socket, _) = listener.accept().unwrap();
                assert!(socket.read(&mut [0; 1_024]).unwrap() > 0);
                socket.write_all(answer.as_bytes()).unwrap();
            }
        });
        assert_eq!(get(address, "/readyz").as_deref(), Some("ready"));
        assert_eq!(get(address, "/readyz"), None);
        server.join().unwrap();
        assert_eq!(get(address, "/readyz"), None, "the listener is closed");
    }
}
