//! How much of a body hyper is given at a time, and so how long a DATA frame is.

use fanfare_protocol::limits::{HTTP2_SLICE_BYTES, HTTP2_SLICE_BYTES_SCARCE, HTTP2_UNSENT_BYTES_MAX};

use crate::raw::{self, DATA, Raw, WINDOW_UPDATE};
use crate::support::{Node, eventually};

/// What the client allows: streams of 16 MiB, frames of 1 MiB.
const SETTINGS: [(u16, u32); 2] = [(4, 16 << 20), (5, 1 << 20)];

/// A client that would take anything in one frame, and has a stream.
fn subscribe(node: &Node, query: &str) -> Raw {
    let mut raw = Raw::open(node.address(), &SETTINGS);
    raw.send(raw::frame(WINDOW_UPDATE, 0, 0, &(16u32 << 20).to_be_bytes()));
    assert_eq!(raw.status(1, &format!("/events?channel=a{query}")), 0x88);
    raw
}

/// The lengths of the DATA frames in which an event of this size comes to a client that would take it in one.
fn lengths(node: &Node, bytes: usize) -> Vec<usize> {
    let mut raw = subscribe(node, "");
    node.await_sessions(1);
    node.publish("a", &format!("{}the end", "x".repeat(bytes)));
    lengths_to_the_end(&mut raw)
}

fn lengths_to_the_end(raw: &mut Raw) -> Vec<usize> {
    let (mut lengths, mut text) = (Vec::new(), String::new());
    while !text.contains("the end") {
        let payload = raw.wait_for(DATA).payload;
        lengths.push(payload.len());
        text.push_str(std::str::from_utf8(&payload).unwrap());
    }
    lengths
}

// Seen to fail when the body gives what there is.
#[test]
fn a_slice_has_16_kib_whatever_frames_and_windows_the_client_allows() {
    let node = Node::start(|_| {});
    let lengths = lengths(&node, 300_000);
    assert_eq!(lengths.iter().max(), Some(&HTTP2_SLICE_BYTES), "{lengths:?}");
    let unsent = || node.server().stats().iter().map(|core| core.http2.unsent.get()).sum::<u64>();
    eventually("nothing on its way", || unsent() == 0);
}

// Seen to fail when slices are not charged to what the node may hold for all streams.
#[test]
fn a_slice_has_1_kib_where_the_node_holds_64_mib_that_have_not_left() {
    let node = Node::start(|_| {});
    // No thread counts yet.
    node.server().stats()[0].http2.unsent.add(HTTP2_UNSENT_BYTES_MAX as u64);
    let lengths = lengths(&node, 30_000);
    assert_eq!(lengths.iter().max(), Some(&HTTP2_SLICE_BYTES_SCARCE), "{lengths:?}");
}

// Seen to fail when the beginning of a stream goes into its first slice whatever that may have.
#[test]
fn what_a_stream_of_many_channels_begins_with_has_no_larger_slices() {
    const CHANNELS: usize = 150;
    let node = Node::start(|options| options.requests.channels = CHANNELS);
    let others: String = (1..CHANNELS).map(|number| format!("&channel=c{number}")).collect();
    // A place in each of them.
    let mut raw = subscribe(&node, &others);
    let mut text = String::new();
    let place = loop {
        text.push_str(std::str::from_utf8(&raw.wait_for(DATA).payload).unwrap());
        if let Some((_, rest)) = text.split_once("id: ")
            && let Some((place, _)) = rest.split_once('\n')
        {
            break place.to_owned();
        }
    };
    assert!(place.len() > 2 * HTTP2_SLICE_BYTES_SCARCE, "{place}");
    // As long as somebody reads it, an event is in memory, and due when the stream begins.
    node.publish("a", "the end");
    lengths_to_the_end(&mut raw);
    node.server().stats()[0].http2.unsent.add(HTTP2_UNSENT_BYTES_MAX as u64);
    // What comes first says the place again, and the event could leave with it.
    let query = format!("{others}&lastEventId={place}");
    let lengths = lengths_to_the_end(&mut subscribe(&node, &query));
    assert!(lengths.iter().sum::<usize>() > 2 * HTTP2_SLICE_BYTES_SCARCE, "{lengths:?}");
    assert!(lengths.iter().all(|length| *length <= HTTP2_SLICE_BYTES_SCARCE), "{lengths:?}");
}
