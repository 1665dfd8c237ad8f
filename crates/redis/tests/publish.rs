//! The publishing library on a real server: what it stores, pushes and refuses, as a function and as a script.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use fanfare_protocol::limits::PUSHED_DATA_BYTES_MAX;
use fanfare_protocol::{Decoded, EntryId, decode_fields, encode_push};
use fanfare_redis::SCRIPT;
use redis::Value;
use support::publishing::*;
use support::*;

#[tokio::test]
async fn a_publish_stores_one_entry_and_pushes_exactly_it_with_its_predecessor() {
    for form in FORMS {
        let server = library().await;
        if !form.is_known(&server).await {
            continue;
        }
        let (_connection, mut pushes) = listen(&server, "sse:a").await;
        let all_bytes: Vec<u8> = (0..=255).collect();
        let calls: [&[&[u8]]; 4] = [
            &[b"sse:a", b"DATA", b"hello"],
            &[b"sse:a", b"DATA", &all_bytes, b"EVENT", "grüße".as_bytes()],
            &[b"sse:a", b"EVENT", b"x", b"DATA", b""],
            &[b"sse:a", b"DATA", b"\x1eff1 1-1 0-0 0\n"],
        ];
        let mut last = EntryId::ZERO;
        for call in calls {
            let id: EntryId = text(&form.try_publish(&server, call).await.unwrap()).parse().unwrap();
            type Stored = Vec<(String, Vec<(Vec<u8>, Vec<u8>)>)>;
            let stored: Stored = server.run(&["XRANGE", "sse:a", &id.to_string(), &id.to_string()]).await;
            let fields: Vec<_> = stored[0]
                .1
                .iter()
                .map(|(name, value)| (Bytes::from(name.clone()), Bytes::from(value.clone())))
                .collect();
            let Decoded::Entry(entry) = decode_fields(id, &fields, 1 << 20).0 else { panic!("too large") };
            assert_eq!(entry.prev, Some(last), "{form:?}");
            let pushed = pushes.recv().await.unwrap();
            assert_eq!(pushed, encode_push(&entry), "{form:?}: the Lua and the Rust encoder differ");
            last = id;
        }
    }
}

// Seen to fail when everything is pushed: one message of 34 MB cuts every node that follows the channel.
#[tokio::test]
async fn data_that_is_too_large_to_push_is_stored_and_announced() {
    for form in FORMS {
        let server = library().await;
        if !form.is_known(&server).await {
            continue;
        }
        let (_connection, mut pushes) = listen(&server, "sse:a").await;
        for (bytes, is_pushed) in
            [(PUSHED_DATA_BYTES_MAX, true), (PUSHED_DATA_BYTES_MAX + 1, false), (34_000_000, false)]
        {
            let data = vec![b'x'; bytes];
            form.try_publish(&server, &[b"sse:a", b"DATA", &data, b"EVENT", b"large"]).await.unwrap();
            let pushed = pushes.recv().await.unwrap();
            assert_eq!(pushed.len() > bytes, is_pushed, "{form:?}: {bytes} bytes");
            assert!(is_pushed || pushed.is_empty(), "{form:?}: a doorbell is empty");
        }
        assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 3, "{form:?}");
    }
}

#[tokio::test]
async fn prev_is_the_last_generated_id_even_after_the_newest_entry_was_deleted() {
    for form in FORMS {
        let server = library().await;
        if !form.is_known(&server).await {
            continue;
        }
        let first = form.publish(&server, &["sse:a", "DATA", "1"]).await;
        let foreign: String = server.run(&["XADD", "sse:a", "*", "data", "2"]).await;
        server.run::<u64>(&["XDEL", "sse:a", &foreign]).await;
        let id = form.publish(&server, &["sse:a", "DATA", "3"]).await;
        let stored: Vec<(String, Vec<String>)> = server.run(&["XRANGE", "sse:a", "-", "+"]).await;
        assert_eq!(stored[0].1, ["data", "1", "prev", "0-0"]);
        assert_eq!(stored[1], (id.to_string(), vec!["data".into(), "3".into(), "prev".into(), foreign.clone()]));
        assert!(first.to_string() != foreign);
    }
}

#[tokio::test]
async fn options_come_in_any_case_and_order() {
    for form in FORMS {
        let server = library().await;
        if !form.is_known(&server).await {
            continue;
        }
        let id = form
            .publish(
                &server,
                &["sse:a", "dedupwindow", "30", "Ttl", "100", "event", "e", "DeDuP", "k", "maxlen", "5", "data", "d"],
            )
            .await;
        let stored: Vec<(String, Vec<String>)> = server.run(&["XRANGE", "sse:a", "-", "+"]).await;
        assert_eq!(stored, [(id.to_string(), ["data", "d", "event", "e", "prev", "0-0"].map(String::from).to_vec())]);
        assert!((99..=100).contains(&server.run::<i64>(&["TTL", "sse:a"]).await));
        assert!((29..=30).contains(&server.run::<i64>(&["TTL", "$dedup:{sse:a}:k"]).await));
    }
}

#[tokio::test]
async fn a_wrong_call_is_refused_with_its_reason_and_nothing_is_written() {
    let long = "n".repeat(256);
    let long_key = format!("sse:{}", "n".repeat(316));
    let cases: &[(&[&[u8]], &str)] = &[
        (&[b"sse:a"], "DATA is missing"),
        (&[b"sse:a", b"EVENT", b"x"], "DATA is missing"),
        (&[b"sse:a", b"DATA"], "DATA has no value"),
        (&[b"sse:a", b"DATA", b"d", b"TTL"], "TTL has no value"),
        (&[b"sse:a", b"DATA", b"d", b"COLOR", b"red"], "unknown option 'COLOR'"),
        (&[b"sse:a", b"hello"], "unknown option 'hello'"),
        (&[b"sse:a", b"DATA", b"d", b"data", b"e"], "DATA is given twice"),
        (&[b"sse:a", b"DATA", b"d", b"TTL", b"0"], "TTL is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"TTL", b"1e3"], "TTL is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"TTL", b"-5"], "TTL is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"TTL", b"99999999999999999999"], "TTL is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"MAXLEN", b"0"], "MAXLEN is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"MAXLEN", b" 7"], "MAXLEN is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"MAXLEN", b"0x10"], "MAXLEN is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"DEDUP", b""], "DEDUP is empty"),
        (&[b"sse:a", b"DATA", b"d", b"DEDUP", long.as_bytes()], "DEDUP has more than 255 bytes"),
        (&[b"sse:a", b"DATA", b"d", b"DEDUP", b"k", b"DEDUPWINDOW", b"x"], "DEDUPWINDOW is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"EXPIRES", b"1"], "EXPIRES is given without TTL"),
        (&[b"sse:a", b"DATA", b"d", b"TTL", b"60", b"EXPIRES", b"yes"], "EXPIRES is neither 0 nor 1"),
        (&[b"sse:a", b"DATA", b"four", b"MAXDATA", b"3"], "DATA has 4 bytes, more than MAXDATA allows: 3"),
        (&[b"sse:a", b"DATA", b"d", b"MAXDATA", b"0"], "MAXDATA is not a whole number"),
        (&[b"sse:a", b"DATA", b"d", b"KEY", b"k"], "unknown option 'KEY'"),
        (&[b"sse:a", b"DATA", b"d", b"TAG", b"t"], "unknown option 'TAG'"),
        (&[b"sse:a", b"DATA", b"d", b"ID", b"1-1"], "unknown option 'ID'"),
        (&[b"sse:a", b"DATA", b"d", b"END", b"60"], "unknown option 'END'"),
        (&[b"sse:a", b"DATA", b"d", b"REOPEN", b"1"], "unknown option 'REOPEN'"),
        (&[b"sse:a", b"DATA", b"d", b"DEDUPWINDOW", b"5"], "DEDUPWINDOW is given without DEDUP"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b""], "EVENT is empty"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"a\nb"], "EVENT holds control characters"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"a\0b"], "EVENT holds control characters"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"a\x7fb"], "EVENT holds control characters"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", "a\u{85}b".as_bytes()], "EVENT holds control characters"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"\xff"], "is not UTF-8"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"\xed\xa0\x80"], "is not UTF-8"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"\xc0\xaf"], "is not UTF-8"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"a\xe2\x82"], "is not UTF-8"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", b"$gap"], "belong to the gateway"),
        (&[b"sse:a", b"DATA", b"d", b"EVENT", long.as_bytes()], "EVENT has more than 255 bytes"),
        (&[b"", b"DATA", b"d"], "the stream key is empty"),
        (&[b"sse:", b"DATA", b"d"], "the channel name is empty"),
        (&[b"sse:$epoch", b"DATA", b"d"], "belong to the gateway"),
        (&[b"acme:$epoch", b"DATA", b"d"], "belong to the gateway"),
        (&[b"$dedup:{sse:a}:k", b"DATA", b"d"], "belong to the gateway"),
        (&[b"sse:a\r\nb", b"DATA", b"d"], "control characters"),
        (&[b"sse:\xff", b"DATA", b"d"], "is not UTF-8"),
        (&[long_key.as_bytes(), b"DATA", b"d"], "more than 319 bytes"),
        (&[b"sse:a}b", b"DATA", b"d", b"DEDUP", b"k"], "braces"),
        (&[b"sse:{}a", b"DATA", b"d", b"DEDUP", b"k"], "braces"),
    ];
    let server = library().await;
    for form in forms(&server).await {
        for (call, reason) in cases {
            let refusal = form.refusal(&server, call).await;
            assert!(refusal.starts_with("ERR fanfare: ") && refusal.contains(reason), "{form:?} {call:?}: {refusal}");
        }
    }
    assert_eq!(keys(&server).await, Vec::<String>::new());
    let two_keys = server.try_run::<Value>(&["EVAL", SCRIPT, "2", "sse:a", "sse:b", "DATA", "d"]).await;
    assert!(two_keys.unwrap_err().to_string().contains("exactly one key"));
    let other = ["EVAL", SCRIPT, "2", "sse:a", "$dedup:{sse:a}:other", "DATA", "d", "DEDUP", "k"];
    let refusal = server.try_run::<Value>(&other).await.unwrap_err().to_string();
    assert!(refusal.contains("expected is $dedup:{sse:a}:k"), "{refusal}");
    assert_eq!(keys(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_dedup_key_may_be_declared_for_a_redis_that_wants_all_keys_declared() {
    let server = library().await;
    let declared = ["sse:a", "$dedup:{sse:a}:k", "DATA", "d", "DEDUP", "k"];
    let mut ways = vec![["EVAL", SCRIPT, "2"]];
    if server.has_functions().await {
        ways.push(["FCALL", "sse_publish", "2"]);
    }
    for (round, call) in ways.into_iter().enumerate() {
        let reply: Value = server.run(&[&call[..], &declared].concat()).await;
        assert_eq!(matches!(reply, Value::SimpleString(_)), round > 0, "the second time it is a repetition");
    }
    assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 1);
}

// Seen to fail when numbers go to Redis as they were written: DEDUPWINDOW 0600 stored the event and reported an error.
#[tokio::test]
async fn numbers_are_taken_however_many_zeros_they_begin_with() {
    let server = library().await;
    for form in forms(&server).await {
        let numbers = ["DEDUPWINDOW", "0600", "TTL", "0100", "MAXLEN", "007", "MAXDATA", "01"];
        form.publish(&server, &[&["sse:a", "DATA", "d", "DEDUP", "k"][..], &numbers].concat()).await;
        assert!((599..=600).contains(&server.run::<i64>(&["TTL", "$dedup:{sse:a}:k"]).await));
        assert!((99..=100).contains(&server.run::<i64>(&["TTL", "sse:a"]).await));
        server.run::<Value>(&["FLUSHALL"]).await;
    }
}

// Seen to fail when every TTL counts: one publish with TTL, and a stream that was to stay was gone.
#[tokio::test]
async fn a_permanent_stream_expires_only_if_the_publisher_says_so() {
    let server = library().await;
    for form in forms(&server).await {
        let ttl = async || server.run::<i64>(&["TTL", "sse:a"]).await;
        server.run::<Value>(&["FLUSHALL"]).await;
        form.publish(&server, &["sse:a", "DATA", "for ever"]).await;
        for options in [&["TTL", "100"][..], &["TTL", "100", "EXPIRES", "0"]] {
            form.publish(&server, &[&["sse:a", "DATA", "d"][..], options].concat()).await;
            assert_eq!(ttl().await, -1, "{form:?} {options:?}");
        }
        form.publish(&server, &["sse:a", "DATA", "d", "TTL", "100", "EXPIRES", "1"]).await;
        assert!((99..=100).contains(&ttl().await), "{form:?}");
    }
}

#[tokio::test]
async fn names_that_the_gateway_accepts_are_accepted_here_too() {
    let server = library().await;
    for form in forms(&server).await {
        for name in ["a", "a}b", "{}", "a{b}c", "é", "日本", "🦀", "a b", "a:$b", "\u{a0}x", "\u{10ffff}"] {
            form.publish(&server, &[&format!("sse:{name}"), "DATA", "d", "EVENT", name]).await;
        }
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_left_alone() {
    let server = library().await;
    server.run::<Value>(&["SET", "sse:a", "text"]).await;
    for form in forms(&server).await {
        let refusal = form.refusal(&server, &[b"sse:a", b"DATA", b"d", b"DEDUP", b"k"]).await;
        assert_eq!(refusal, "ERR fanfare: 'sse:a' holds a string, not a stream");
    }
    assert_eq!(keys(&server).await, ["sse:a"]);
}

#[tokio::test]
async fn a_stream_never_grows_without_bound() {
    let server = library().await;
    let mut connection = server.connection().await;
    let (call, mut calls) = (server.publishing().await, redis::pipe());
    for _ in 0..10_300 {
        calls.add_command(call.clone()).arg("sse:a").arg("DATA").arg("d").ignore();
    }
    calls.query_async::<()>(&mut connection).await.unwrap();
    let kept: u64 = server.run(&["XLEN", "sse:a"]).await;
    assert!((10_000..10_200).contains(&kept), "{kept}");
    for form in forms(&server).await {
        form.publish(&server, &["sse:a", "DATA", "d", "MAXLEN", "100"]).await;
        let kept: u64 = server.run(&["XLEN", "sse:a"]).await;
        assert!((100..300).contains(&kept), "{kept}");
    }
}

#[tokio::test]
async fn a_ttl_has_a_floor_only_extends_and_a_publish_without_one_makes_the_stream_permanent() {
    for form in FORMS {
        let server = library().await;
        if !form.is_known(&server).await {
            continue;
        }
        let ttl = async || server.run::<i64>(&["TTL", "sse:a"]).await;
        form.publish(&server, &["sse:a", "DATA", "d", "TTL", "5"]).await;
        assert!((59..=60).contains(&ttl().await), "the floor");
        form.publish(&server, &["sse:a", "DATA", "d", "TTL", "500"]).await;
        assert!((499..=500).contains(&ttl().await), "extends");
        form.publish(&server, &["sse:a", "DATA", "d", "TTL", "100"]).await;
        assert!((499..=500).contains(&ttl().await), "does not shorten");
        form.publish(&server, &["sse:a", "DATA", "d"]).await;
        assert_eq!(ttl().await, -1, "permanent again");
    }
}
