//! What several tests need: HTTP by hand, waiting for conditions, processes that do not outlive their test, golden files.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::disallowed_methods, reason = "what is outside this process can only be polled, against the clock")]

pub(crate) mod counting;
pub(crate) mod dev;
pub(crate) mod rig;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a condition may take that normally takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set to rewrite the golden files and the generated documents from what the code says now.
const UPDATE: &str = "FANFARE_UPDATE_GOLDEN";

/// Compares with a file that is kept in the repository. Its path is relative to this crate.
pub(crate) fn assert_golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(expected, actual, "{} is stale; run the tests with {UPDATE}=1 and review the change", path.display());
}

/// Waits for a value, or panics with what was waited for.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Head and body of the answer to one request.
pub(crate) fn ask(address: SocketAddr, request_line: &str, headers: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{request_line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok((head.to_owned(), body.to_owned()))
}

/// Status and body of a GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let (head, body) = ask(address, &format!("GET {path}"), "").unwrap();
    (status(&head), body)
}

/// Opens a stream and returns it after its priming block.
pub(crate) fn subscribe(address: SocketAddr, channel: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /events?channel={channel} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n")
        .unwrap();
    let mut reader = BufReader::new(stream);
    read_past(&mut reader, "id: ");
    reader
}

/// Reads lines to the first that begins so.
pub(crate) fn read_past(reader: &mut impl BufRead, start: &str) {
    let mut line = String::new();
    while !line.starts_with(start) {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream ended before {start:?}");
    }
}

/// The status code of a head.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Sends a signal by name. The shell's own `kill`: not every machine has the program.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {}", child.id())]).status().unwrap();
    assert!(sent.success(), "cannot send {name}");
}

/// A `fanfare` process whose log is kept. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the binary of this crate.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    /// Starts the binary of this crate with a log that nobody reads.
    pub(crate) fn start_unread(command: &mut Command) -> (Self, std::process::ChildStderr) {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let pipe = child.stderr.take().unwrap();
        (Self { child, log: Arc::default() }, pipe)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line that contains `text` and returns it.
    pub(crate) fn logged(&self, text: &str) -> String {
        eventually(text, || self.log().lines().find(|line| line.contains(text)).map(ToOwned::to_owned))
    }

    /// The address in the log line that contains `text`.
    pub(crate) fn address(&self, text: &str) -> SocketAddr {
        let line = self.logged(text);
        let address = line.split_once("address=").unwrap().1.split_whitespace().next().unwrap();
        address.parse().unwrap()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("the end of the process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the process ---\n{}", self.log());
        }
    }
}
