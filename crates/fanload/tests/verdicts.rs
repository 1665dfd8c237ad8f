//! Every verdict, seen on a server that deserves it.

#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/front.rs"]
mod front;
mod support;

use faulty::{Fault, Faulty};
use support::{Ran, fanload, fanload_at};

/// Three clients, one event to warm up, twenty more, one at the end. Through TLS, over HTTP/2 and over both the verdict has to be
/// the same.
fn run(fault: Fault) -> Ran {
    const WORDS: &str = "burst --connections 3 --events 20";
    let server = Faulty::start(fault);
    let ran = fanload(WORDS, server.target, server.feed);
    for wire in front::WIRES {
        let server = Faulty::start(fault);
        let target = format!("{}://{}", wire.scheme, front::start(server.target, &wire));
        let other = fanload_at(&format!("{WORDS} {}", wire.options), &target, server.feed);
        let verdict =
            |ran: &Ran| (ran.code, ran.json["integrity"].clone(), ran.json["disturbances"]["refused"].clone());
        assert_eq!(verdict(&other), verdict(&ran), "{target} {}: {other:?}", wire.options);
        assert_eq!(other.errors.contains("no!!"), ran.errors.contains("no!!"), "{target}: {other:?}");
    }
    ran
}

#[test]
fn a_server_that_does_everything_right_passes() {
    let ran = run(Fault::None);
    assert_eq!((ran.code, ran.verdict("delivered"), ran.verdict("gaps")), (0, 3 * 22, 0), "{ran:?}");
    assert_eq!(ran.json["deliveries"], 60);
    assert_eq!(ran.json["latency"]["count"], 60);
}

// Seen to fail when the checker takes a later event for the next one.
#[test]
fn a_lost_event_is_a_breach() {
    let ran = run(Fault::Lose(7));
    assert_eq!((ran.code, ran.verdict("lost"), ran.verdict("announced")), (1, 3, 0), "{ran:?}");
}

// Seen to fail when a `$gap` is not looked at.
#[test]
fn a_lost_event_that_a_gap_announced_is_none() {
    let ran = run(Fault::Announce(7));
    assert_eq!((ran.code, ran.verdict("lost")), (0, 0), "{ran:?}");
    assert_eq!((ran.verdict("gaps"), ran.verdict("announced")), (3, 3), "{ran:?}");
}

// Seen to fail when what a `$gap` names is not compared with what came before and after it.
#[test]
fn a_gap_that_names_something_else_excuses_nothing() {
    for fault in [Fault::AnnounceLess(7), Fault::AnnounceOther(7)] {
        let ran = run(fault);
        assert_eq!((ran.code, ran.verdict("lost"), ran.verdict("announced")), (1, 3, 0), "{fault:?}: {ran:?}");
    }
}

// Seen to fail when the gap still counts on the next connection: it told the client nothing that outlasts the first.
#[test]
fn a_gap_that_was_cut_off_before_its_entry_and_is_not_repeated_excuses_nothing() {
    let ran = run(Fault::AnnounceAndCut(7));
    assert_eq!((ran.code, ran.verdict("lost"), ran.verdict("announced")), (1, 3, 0), "{ran:?}");
}

#[test]
fn a_doubled_event_is_a_breach() {
    let ran = run(Fault::Double(7));
    assert_eq!((ran.code, ran.verdict("doubled"), ran.verdict("delivered")), (1, 3, 3 * 22), "{ran:?}");
}

#[test]
fn an_event_behind_a_later_one_is_a_breach() {
    let ran = run(Fault::Swap(7));
    assert_eq!((ran.code, ran.verdict("out_of_order")), (1, 3), "{ran:?}");
    assert_eq!((ran.verdict("lost"), ran.verdict("doubled")), (0, 0), "{ran:?}");
}

#[test]
fn an_event_that_lacks_a_byte_is_a_breach() {
    let ran = run(Fault::Shorten(7));
    assert_eq!((ran.code, ran.verdict("damaged")), (1, 3), "{ran:?}");
}

// Seen to fail when no last event is waited for: nothing that came was wrong.
#[test]
fn a_client_that_hears_nothing_more_is_a_breach() {
    let server = Faulty::start(Fault::Silence(22));
    let ran = fanload("burst --connections 3 --events 20 --patience 3s", server.target, server.feed);
    assert_eq!((ran.code, ran.verdict("silent"), ran.verdict("lost")), (1, 1, 0), "{ran:?}");
}

#[test]
fn a_server_that_is_not_what_was_asked_for_is_no_breach_but_an_error_that_quotes_it() {
    let ran = run(Fault::Status(404));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.errors.contains("404") && ran.errors.contains("no!!"), "{ran:?}");
}

#[test]
fn a_target_that_does_not_listen_is_an_error_that_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Faulty::start(Fault::None);
    let ran = fanload("burst --connections 3", free, server.feed);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.errors.contains("nobody listens") && ran.errors.contains(&free.to_string()), "{ran:?}");
    let ran = fanload("burst --connections 3", server.target, free);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.errors.contains("feed"), "{ran:?}");
}

// Seen to fail when a client takes the end of a refusal for the end of its stream.
#[test]
fn a_polite_refusal_is_honoured_and_counted() {
    let ran = run(Fault::Refuse(5));
    assert_eq!((ran.code, ran.verdict("delivered")), (0, 3 * 22), "{ran:?}");
    assert_eq!(ran.json["disturbances"]["refused"], 5, "{ran:?}");
    assert_eq!(ran.json["disturbances"]["ended"], 0, "{ran:?}");
}

// Seen to fail when the reason is not asked for: progress comes too late for it.
#[test]
fn a_server_that_never_lets_a_client_in_is_an_error_that_says_how_it_refuses() {
    let server = Faulty::start(Fault::Refuse(usize::MAX));
    let ran = fanload("burst --connections 3 --patience 1s", server.target, server.feed);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.errors.contains("0 of 3") && ran.errors.contains("refuses politely"), "{ran:?}");
}
