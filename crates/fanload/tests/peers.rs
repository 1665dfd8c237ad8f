//! Each peer, where it is installed, does what its target says: subscribe, publish, come back for what was missed.
//!
//! Nothing is installed for these tests; a peer that is missing is skipped with a word.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fanload::contender::peers::{self, Centrifugo, DurableStreams, Mercure, Nchan, NodeLoop};
use fanload::contender::{Contender, Place, Running, Wire};
use fanload::publish::{Event, Publisher};
use fanload::stage::Stage;
use fanload::target::{Payload, Position, Resume, Subscribe};

/// Starts it; `None` with a word when it is not installed.
fn start(contender: &dyn Contender, directory: &tempfile::TempDir) -> Option<Running> {
    let place = Place {
        server_core: None,
        helper_core: None,
        directory: directory.path().to_owned(),
        settings: &[],
        wire: Wire::default(),
    };
    match contender.start(&place) {
        Ok(running) => Some(running),
        Err(error) if error.to_string().contains("is not installed") => {
            eprintln!("skipped: {error:#}");
            None
        }
        Err(error) => panic!("{}: {error:#}", contender.name()),
    }
}

/// A subscription to the channel `news0`, at `position` when it comes back.
fn subscribe(running: &Running, position: Option<&str>) -> TcpStream {
    let Subscribe { path, channel, host, resume, .. } = &running.target.subscribe;
    let (mut path, mut header) = (path.clone(), String::new());
    match (resume, position) {
        (Resume::Header, Some(position)) => header = format!("Last-Event-ID: {position}\r\n"),
        (Resume::Path(other), Some(position)) => path = other.replace("{position}", position),
        _ => {}
    }
    let path = path.replace("{channels}", &channel.replace("{channel}", "news0"));
    let mut stream = TcpStream::connect(running.target.addresses[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads until `end` stands in what came: everything so far.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap_or_else(|error| panic!("no {end:?} in {text:?}: {error}"));
        assert!(count > 0, "the stream ended: {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

/// The last position in `text`.
fn position(text: &str, position: &Position) -> String {
    let (marker, end) = match position {
        Position::Id => ("id: ", '\n'),
        Position::After(marker) => (marker.as_str(), '"'),
    };
    let (_, rest) = text.rsplit_once(marker).unwrap_or_else(|| panic!("no position in {text:?}"));
    rest.split(end).next().unwrap().to_owned()
}

// Seen to fail when a client comes back without its position: nothing of what it missed arrives.
fn serves_and_resumes(contender: &dyn Contender) {
    let directory = tempfile::tempdir().unwrap();
    let Some(running) = start(contender, &directory) else { return };
    println!("{}", running.description);
    assert!(!running.description.contains("unknown"), "{}", running.description);
    let dialect = &running.target.subscribe.dialect;
    let stage = Stage::new(false).unwrap();
    let mut publisher = Publisher::connect(running.target.publish.as_ref().unwrap(), "news", &stage).unwrap();
    publisher.prepare(1).unwrap();

    let mut stream = subscribe(&running, None);
    // The end of the head, which for every peer is the moment from which it misses nothing, or later.
    let primed = if dialect.position == Position::Id { "\r\n\r\n" } else { "upToDate" };
    let head = read_until(&mut stream, primed);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
    publisher.publish(Event { channel: 0, number: 1 }, b"first event").unwrap();
    publisher.flush().unwrap();
    let end = match &dialect.position {
        Position::Id => "first event",
        // The position behind the event comes after it.
        Position::After(_) => "_0000000000000012\"",
    };
    let text = read_until(&mut stream, end);
    assert!(text.contains("first event"), "{text}");
    let position = position(&text, &dialect.position);
    drop(stream);

    for number in 1..=100 {
        publisher.publish(Event { channel: 0, number: 1 + number }, format!("missed {number};").as_bytes()).unwrap();
    }
    publisher.flush().unwrap();
    let text = read_until(&mut subscribe(&running, Some(&position)), "missed 100;");
    assert!(!text.contains("first event"), "an event comes again: {text}");
    let places: Vec<_> = (1..=100).map(|number| text.find(&format!("missed {number};"))).collect();
    assert!(places.iter().all(Option::is_some), "an event is missing: {text}");
    assert!(places.is_sorted(), "the order is another: {text}");
}

#[test]
fn nchan_serves_and_resumes() {
    serves_and_resumes(&Nchan);
}

#[test]
fn durable_streams_serves_and_resumes() {
    serves_and_resumes(&DurableStreams);
}

#[test]
fn the_node_loop_serves_and_resumes() {
    serves_and_resumes(&NodeLoop);
}

#[test]
fn mercure_serves_and_resumes() {
    serves_and_resumes(&Mercure);
}

// Seen to fail when the marker before a text is another one.
fn serves_and_forgets(contender: &dyn Contender) {
    let directory = tempfile::tempdir().unwrap();
    let Some(running) = start(contender, &directory) else { return };
    println!("{}", running.description);
    assert_eq!(running.target.subscribe.resume, Resume::Nothing);
    let Payload::After(marker) = &running.target.subscribe.dialect.payload else { panic!("texts are wrapped") };
    let stage = Stage::new(false).unwrap();
    let mut publisher = Publisher::connect(running.target.publish.as_ref().unwrap(), "news", &stage).unwrap();
    let mut publish = |number: u64, text: &str| {
        publisher.publish(Event { channel: 0, number }, text.as_bytes()).unwrap();
        publisher.flush().unwrap();
    };

    let mut stream = subscribe(&running, None);
    let head = read_until(&mut stream, "data: ");
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("id:"), "{head}");
    publish(1, "first event");
    let text = read_until(&mut stream, "first event");
    assert!(text.contains(&format!("{marker}first event")), "{text}");
    drop(stream);

    publish(2, "missed event");
    let mut stream = subscribe(&running, None);
    let head = read_until(&mut stream, "data: ");
    publish(3, "last event");
    let text = head + &read_until(&mut stream, "last event");
    assert!(!text.contains("missed event"), "it resumes, and could take part in storm: {text}");
}

#[test]
fn centrifugo_serves_and_forgets() {
    serves_and_forgets(&Centrifugo::MEMORY);
}

#[test]
fn centrifugo_with_redis_serves_and_forgets() {
    serves_and_forgets(&Centrifugo::REDIS);
}

#[test]
fn every_peer_has_a_name_of_its_own() {
    let mut names: Vec<_> = peers::all().iter().map(|peer| peer.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), peers::all().len());
    assert!(names.iter().all(|name| !name.contains(' ')));
}
