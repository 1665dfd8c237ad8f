use fanfare_log::{FeedEvent, FeedSource, Random};
use fanfare_protocol::Push;
use tokio::io::AsyncReadExt;

use super::*;
use crate::feed::push::Receiver;
use crate::feed::{FeedOptions, frame::Frame};

fn receiver() -> (Receiver, FeedSource) {
    let (sink, source) = fanfare_log::feed(1 << 24);
    let options = FeedOptions { keyspace_notifications: false, ..FeedOptions::offline(1 << 20) };
    (Receiver::new(&options, sink), source)
}

/// Gives a few bytes at a time.
struct Pieces {
    bytes: Vec<u8>,
    given: usize,
    random: Random,
    most: u64,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = 1 + usize::try_from(self.random.below(self.most)).unwrap();
        let part = most.min(self.bytes.len() - self.given).min(out.remaining());
        out.put_slice(&self.bytes[self.given..self.given + part]);
        self.given += part;
        Poll::Ready(Ok(()))
    }
}

fn string(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn message(channel: &str, payload: &str) -> String {
    format!(">3\r\n{}{}{}", string("message"), string(channel), string(payload))
}

/// Something that is for the library.
fn other(random: &Random, depth: u64) -> String {
    let some = |each: u64| {
        let count = random.below(4);
        (count, (0..count * each).map(|_| other(random, depth + 1)).collect::<String>())
    };
    match random.below(if depth < 3 { 15 } else { 9 }) {
        0 => "+OK\r\n".into(),
        1 => "-ERR no > $7\r\n".into(),
        2 => ":-12\r\n".into(),
        3 => "_\r\n".into(),
        4 => "$-1\r\n".into(),
        5 => ",1.5\r\n#t\r\n".into(),
        6 => string(&message("sse:a", "inside")),
        7 => format!("={}\r\ntxt:ab\r\n", 6),
        8 => string(&"x".repeat(random.below(300) as usize)),
        9 => {
            let (count, values) = some(1);
            format!("*{count}\r\n{values}")
        }
        10 => {
            let (count, values) = some(2);
            format!("%{count}\r\n{values}")
        }
        11 => {
            let (count, values) = some(1);
            format!("~{count}\r\n{values}")
        }
        12 => {
            let (count, values) = some(2);
            format!("|{count}\r\n{values}+after\r\n")
        }
        13 => format!(">3\r\n{}{}:1\r\n", string("subscribe"), string("sse:a")),
        _ => format!(">4\r\n{}{}", string("pmessage"), string("a").repeat(3)),
    }
}

#[tokio::test]
async fn messages_are_handed_over_and_everything_else_goes_on_to_the_library_however_it_is_cut() {
    for seed in 0..300 {
        let random = Random::seeded(seed);
        let most = [1, 10, 1_000, 100_000][random.below(4) as usize];
        // Sometimes longer than the buffer.
        let longest = if most < 1_000 { 300 } else { 150_000 };
        let (mut bytes, mut wanted, mut passed) = (String::new(), Vec::new(), String::new());
        for number in 0..random.below(40) {
            if random.below(3) > 0 {
                let long = if random.below(20) == 0 { longest } else { 30 };
                let text = format!("{number}\r\n>3\r\n{}", "y".repeat(random.below(long) as usize));
                bytes += &message("sse:a", &text);
                wanted.push(text);
            } else {
                let other = other(&random, 0);
                bytes += &other;
                passed += &other;
            }
        }
        let (receiver, mut source) = receiver();
        let pieces = Pieces { bytes: bytes.into_bytes(), given: 0, random: random.fork(), most };
        let mut out = String::new();
        Sieve::new(pieces, receiver.messages()).read_to_string(&mut out).await.unwrap();
        assert_eq!(out, passed, "seed {seed}");
        let heard = source.take().events.into_iter().map(|(_, event)| match event {
            FeedEvent::Push { push: Push::Ephemeral(event), .. } => String::from_utf8(event.data.into()).unwrap(),
            other => panic!("{other:?}"),
        });
        assert!(heard.eq(wanted), "seed {seed}");
    }
}

// Seen to fail when only an empty buffer is shrunk.
#[tokio::test]
async fn a_long_message_does_not_leave_a_long_buffer_behind_though_the_next_one_has_begun() {
    let (receiver, _source) = receiver();
    let bytes = message("sse:a", &"y".repeat(5 * BUFFER)) + ">3\r\n$7\r\nmess";
    let pieces = Pieces { bytes: bytes.into_bytes(), given: 0, random: Random::seeded(1), most: 100_000 };
    let mut sieve = Sieve::new(pieces, receiver.messages());
    let mut out = String::new();
    sieve.read_to_string(&mut out).await.unwrap();
    assert_eq!((out.as_str(), sieve.buffer.len()), (">3\r\n$7\r\nmess", BUFFER));
}

#[test]
fn what_is_cut_short_is_incomplete_and_what_is_no_resp3_is_not_understood() {
    let random = Random::seeded(7);
    for number in 0..300 {
        let frame = if number % 2 == 0 { message("sse:a", "text") } else { other(&random, 1) };
        let first = Frame::at_start(frame.as_bytes());
        let (Frame::Message { length, .. } | Frame::Other { length }) = first else { panic!("{frame:?}: {first:?}") };
        (0..length)
            .for_each(|cut| assert_eq!(Frame::at_start(&frame.as_bytes()[..cut]), Frame::Incomplete, "{frame:?}"));
    }
    for wrong in
        ["HTTP/1.1 200", "$x\r\n", "*-2\r\n", "$99999999999999999999\r\n", ">3\r\n$7\r\nmessage\r\n:1\r\n", "$\r\n"]
    {
        assert_eq!(Frame::at_start(wrong.as_bytes()), Frame::Unreadable, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_is_no_resp3_and_what_an_end_cuts_off_goes_on_to_the_library() {
    for bytes in ["+OK\r\nHTTP/1.1 200 OK", "+OK\r\n>3\r\n$7\r\nmess", ""] {
        let (receiver, _source) = receiver();
        let pieces = Pieces { bytes: bytes.into(), given: 0, random: Random::seeded(1), most: 3 };
        let mut out = String::new();
        Sieve::new(pieces, receiver.messages()).read_to_string(&mut out).await.unwrap();
        assert_eq!(out, bytes);
    }
}
