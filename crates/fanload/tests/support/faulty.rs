//! A server that does one thing wrong, on purpose.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What goes wrong. Events are counted over the whole feed, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// This event is not sent.
    Lose(usize),
    /// It is not sent, and a `$gap` says so.
    Announce(usize),
    /// It is not sent, and a `$gap` says that something else is missing, behind it.
    AnnounceLess(usize),
    /// It is not sent, and a `$gap` says so, but announces another entry than the one that follows.
    AnnounceOther(usize),
    /// It is not sent, a `$gap` says so to the first client, and the connection ends. The gap is not repeated.
    AnnounceAndCut(usize),
    /// It is sent twice.
    Double(usize),
    /// It is sent after the next one.
    Swap(usize),
    /// Its data lacks the last byte.
    Shorten(usize),
    /// From this event on the first client gets nothing.
    Silence(usize),
    /// Every answer has this status.
    Status(u16),
    /// The first so many requests are refused politely: `200`, `retry: 10` and the end.
    Refuse(usize),
}

/// A running server. Its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) target: SocketAddr,
    pub(crate) feed: SocketAddr,
}

struct Client {
    stream: TcpStream,
    channel: String,
}

impl Faulty {
    pub(crate) fn start(fault: Fault) -> Self {
        let (events, feed) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = Self { target: events.local_addr().unwrap(), feed: feed.local_addr().unwrap() };
        let clients = Arc::new(Mutex::new(Vec::new()));
        let accepted = Arc::clone(&clients);
        thread::spawn(move || {
            let mut requests = 0;
            for stream in events.incoming() {
                // A client may vanish at any time.
                let _ = answer(stream.unwrap(), &mut requests, fault, &accepted);
            }
        });
        thread::spawn(move || {
            let mut feed = feed.accept().unwrap().0;
            let (mut count, mut held) = (0, None);
            while let Some(data) = frame(&mut feed) {
                count += 1;
                let before = clients.lock().unwrap().len();
                relay(fault, count, &data, &mut held, &mut clients.lock().unwrap());
                // A client that was cut comes back before the next event.
                while clients.lock().unwrap().len() < before {
                    thread::yield_now();
                }
            }
        });
        addresses
    }
}

fn answer(
    mut stream: TcpStream,
    requests: &mut usize,
    fault: Fault,
    clients: &Mutex<Vec<Client>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    // A connection that only finds out whether the server listens asks for nothing.
    let Some(request) = lines.next() else { return Ok(()) };
    let request = request?;
    *requests += 1;
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let channel = request.split("channel=").nth(1).unwrap_or_default();
    let channel = channel.split([' ', '&']).next().unwrap_or_default().to_owned();
    if let Fault::Status(status) = fault {
        return write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 5\r\n\r\nno!!\n");
    }
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
    if matches!(fault, Fault::Refuse(count) if *requests <= count) {
        return writeln!(stream, "retry: 10");
    }
    // The lock is held while the client is told that it is in, so that no event can come between.
    let mut clients = clients.lock().unwrap();
    write!(stream, "retry: 10\nid: 0-0\n\n")?;
    clients.push(Client { stream, channel });
    Ok(())
}

/// The data of the next frame; `None` at the end of the feed.
fn frame(feed: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 8];
    feed.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let mut data = vec![0; length as usize];
    feed.read_exact(&mut data).ok()?;
    Some(data)
}

fn relay(fault: Fault, count: usize, data: &[u8], held: &mut Option<Vec<u8>>, clients: &mut Vec<Client>) {
    let event = |data: &[u8]| [format!("id: {count}-0\ndata: ").as_bytes(), data, b"\n\n"].concat();
    let mut bytes = match fault {
        Fault::Lose(nth)
        | Fault::Announce(nth)
        | Fault::AnnounceLess(nth)
        | Fault::AnnounceOther(nth)
        | Fault::AnnounceAndCut(nth)
            if nth == count =>
        {
            Vec::new()
        }
        Fault::Double(nth) if nth == count => event(data).repeat(2),
        Fault::Shorten(nth) if nth == count => event(&data[..data.len() - 1]),
        Fault::Swap(nth) if nth == count => {
            *held = Some(event(data));
            return;
        }
        _ => event(data),
    };
    bytes.extend(held.take().unwrap_or_default());
    for (index, client) in clients.iter_mut().enumerate() {
        if matches!(fault, Fault::Silence(nth) if count >= nth && index == 0) {
            continue;
        }
        let gap = match fault {
            Fault::Announce(nth) => Some((nth, nth - 1, nth + 1)),
            Fault::AnnounceLess(nth) => Some((nth, nth, nth + 1)),
            Fault::AnnounceOther(nth) => Some((nth, nth - 1, nth + 2)),
            Fault::AnnounceAndCut(nth) if index == 0 => Some((nth, nth - 1, nth + 1)),
            _ => None,
        };
        if let Some((_, after, next)) = gap.filter(|(nth, ..)| *nth == count) {
            let channel = &client.channel;
            let positions = format!("\"after\":\"{after}-0\",\"next\":\"{next}-0\"");
            let gap =
                format!("event: $gap\ndata: {{\"channel\":\"{channel}\",\"reason\":\"trimmed\",{positions}}}\n\n");
            let _ = client.stream.write_all(gap.as_bytes());
        }
        let _ = client.stream.write_all(&bytes);
    }
    if fault == Fault::AnnounceAndCut(count) {
        let _ = clients.remove(0).stream.shutdown(std::net::Shutdown::Both);
    }
}
