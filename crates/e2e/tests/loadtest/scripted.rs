//! A server whose every answer is written beforehand.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A running server. Its thread ends with the test's process.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
}

impl Scripted {
    /// Answers each request with an event stream and ends the connection. `stream` is given the target of the request and
    /// its Last-Event-ID (empty if there is none), and gives the body.
    pub(crate) fn start(stream: impl Fn(&str, &str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for client in listener.incoming() {
                // A client may vanish at any time.
                let _ = answer(client.expect("a connection"), &stream);
            }
        });
        Self { address }
    }
}

fn answer(mut client: TcpStream, stream: &impl Fn(&str, &str) -> String) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let target = request.split(' ').nth(1).unwrap_or_default();
    let mut last_event_id = String::new();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("last-event-id")
        {
            value.trim().clone_into(&mut last_event_id);
        }
    }
    let body = stream(target, &last_event_id);
    write!(client, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
}
