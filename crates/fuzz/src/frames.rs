//! Frames and the gateway's own blocks: no data can break out of its frame.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use fanfare_protocol::limits::{FRAME_BYTES_PER_DATA_BYTE_MAX, FRAME_OVERHEAD_BYTES_MAX};
use fanfare_protocol::{
    ChannelName, EntryId, Epoch, Event, EventName, Frame, Gap, GapReason, Position, block, chunk, encode_vector,
};

use crate::support::chunked;
use crate::support::event_stream::{Message, Parser, parse};

#[derive(Arbitrary, Debug)]
enum Said {
    Entry { ms: u64, seq: u64, name: String, data: Vec<u8> },
    Ephemeral { name: String, data: Vec<u8> },
    TooLarge { channel: String, ms: u64, seq: u64, prev: Option<(u64, u64)> },
    Gap { channel: String, reason: u8, after: Option<(u64, u32)>, next: Option<(u64, u64)>, id: bool },
    Ready { channels: Vec<String> },
    Id,
    Retry(u64),
    Comment,
}

/// A stream of anything that a node says, read back by a parser made from the standard: the same events in the same
/// order and nothing else, whatever their data.
pub(crate) fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(piece) = input.int_in_range(1..=64usize) else { return };
    let mut stream = Stream::default();
    while let Ok(said) = Said::arbitrary(&mut input) {
        stream.say(said);
        if input.is_empty() || stream.body.len() > 1 << 16 {
            break;
        }
    }
    stream.body.extend_from_slice(chunk::LAST);
    let body = chunked::decode(&stream.body).expect("well-formed chunks");
    assert!(body.ended, "the data ended the body early");
    let mut parser = Parser::default();
    let seen: Vec<Message> = body.data().chunks(piece).flat_map(|piece| parser.feed(piece)).collect();
    assert_eq!(seen, stream.expected);
    assert_eq!(parser.last_event_id, stream.last_id);
    assert_eq!(parser.comments.len(), stream.comments);
    assert_eq!(parser.retry, stream.retry);
}

#[derive(Default)]
struct Stream {
    body: Vec<u8>,
    expected: Vec<Message>,
    last_id: String,
    retry: Option<u64>,
    comments: usize,
}

impl Stream {
    fn say(&mut self, said: Said) {
        match said {
            Said::Entry { ms, seq, name, data } => {
                let id = EntryId { ms, seq };
                let event = event(&name, data);
                let frame = Frame::entry(id, &event);
                self.last_id = id.to_string();
                self.expect(event.name.as_ref().map(EventName::as_str), &event.data);
                self.frame(&frame, event.data.len());
            }
            Said::Ephemeral { name, data } => {
                let event = event(&name, data);
                self.expect(event.name.as_ref().map(EventName::as_str), &event.data);
                self.frame(&Frame::ephemeral(&event), event.data.len());
            }
            Said::TooLarge { channel, ms, seq, prev } => {
                let Ok(channel) = ChannelName::parse(&channel) else { return };
                let id = EntryId { ms, seq };
                let frame = Frame::too_large(&channel, id, prev.map(|(ms, seq)| EntryId { ms, seq }));
                self.last_id = id.to_string();
                self.frame_of_gap(&frame, &channel);
            }
            Said::Gap { channel, reason, after, next, id } => self.gap(&channel, reason, after, next, id),
            Said::Ready { channels } => self.ready(&channels),
            Said::Id => {
                let position = position();
                self.block(|out| block::id(out, &position));
                self.last_id = position;
            }
            // A `retry` line is no block of its own: what follows it belongs to it.
            Said::Retry(ms) => {
                self.block(|out| {
                    block::retry(out, ms);
                    block::comment(out);
                });
                self.retry = Some(ms);
                self.comments += 1;
            }
            Said::Comment => {
                self.block(block::comment);
                self.comments += 1;
            }
        }
    }

    fn gap(&mut self, channel: &str, reason: u8, after: Option<(u64, u32)>, next: Option<(u64, u64)>, id: bool) {
        let Ok(channel) = ChannelName::parse(channel) else { return };
        let gap = Gap {
            channel,
            reason: GapReason::ALL[usize::from(reason) % GapReason::ALL.len()],
            after: after.map(|(at_ms, epoch)| Position::Absent { at_ms, epoch: Epoch::from_bits(epoch) }),
            next: next.map(|(ms, seq)| EntryId { ms, seq }),
        };
        let position = id.then(position);
        self.block(|out| block::gap(out, &gap, position.as_deref()));
        if let Some(position) = position {
            self.last_id = position;
        }
        self.expect(Some("$gap"), gap.to_json().as_bytes());
        self.names_channel(&gap.channel);
    }

    fn ready(&mut self, channels: &[String]) {
        let names: Vec<ChannelName> = channels.iter().filter_map(|name| ChannelName::parse(name).ok()).collect();
        let position = position();
        self.block(|out| block::ready(out, &position, &names));
        let names: Vec<&str> = names.iter().map(ChannelName::as_str).collect();
        let told = format!(r#"{{"position":{},"channels":{}}}"#, serde_json::json!(position), serde_json::json!(names));
        self.last_id = position;
        self.expect(Some("$ready"), told.as_bytes());
    }

    fn block(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut out);
        chunk::wrap(&mut self.body, &out);
    }

    fn frame(&mut self, frame: &Frame, data_bytes: usize) {
        assert!(frame.heap_bytes() <= data_bytes * FRAME_BYTES_PER_DATA_BYTE_MAX + FRAME_OVERHEAD_BYTES_MAX);
        // The forms for other transports are the same event, with and without its id.
        let last = self.expected.last().expect("a frame dispatches an event");
        let alone = parse(frame.plain());
        assert_eq!((alone.len(), &alone[0].event, &alone[0].data), (1, &last.event, &last.data));
        let without_id = parse(&[frame.fields(), b"\n"].concat());
        assert_eq!((without_id.len(), without_id[0].last_event_id.as_str()), (1, ""));
        self.body.extend_from_slice(frame.chunked());
    }

    fn frame_of_gap(&mut self, frame: &Frame, channel: &ChannelName) {
        let alone = parse(frame.plain());
        assert_eq!((alone.len(), alone[0].event.as_str()), (1, "$gap"));
        self.expected.extend(alone);
        self.names_channel(channel);
        self.body.extend_from_slice(frame.chunked());
    }

    /// The last expected event is JSON that names the channel.
    fn names_channel(&self, channel: &ChannelName) {
        let told = &self.expected.last().expect("a gap dispatches an event").data;
        let json: serde_json::Value = serde_json::from_str(told).expect("JSON");
        assert_eq!(json["channel"], channel.as_str());
    }

    fn expect(&mut self, name: Option<&str>, data: &[u8]) {
        self.expected.push(Message {
            event: name.unwrap_or("message").to_owned(),
            data: String::from_utf8_lossy(data).replace("\r\n", "\n").replace('\r', "\n"),
            last_event_id: self.last_id.clone(),
        });
    }
}

/// What several channels of which none has a position get.
fn position() -> String {
    let mut text = String::new();
    encode_vector(&mut text, &[]);
    text
}

fn event(name: &str, data: Vec<u8>) -> Event {
    Event { name: EventName::parse(name).ok(), data: Bytes::from(data) }
}
