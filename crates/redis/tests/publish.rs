//! The publishing library on a real server: every rule, as a function and as a script.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use fanfare_protocol::{Decoded, EntryId, decode_fields, encode_push};
use fanfare_redis::{LIBRARY, SCRIPT};
use redis::{PushInfo, PushKind, RedisError, Value};
use support::*;
use tokio::sync::mpsc;

/// The two forms of the one text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Function,
    Script,
}

const FORMS: [Form; 2] = [Form::Function, Form::Script];

async fn library() -> Server {
    let server = Server::start().await;
    server.run::<Value>(&["FUNCTION", "LOAD", LIBRARY]).await;
    server
}

impl Form {
    async fn try_publish(self, server: &Server, words: &[&[u8]]) -> Result<Value, RedisError> {
        self.try_publish_as(&server.url(), words).await
    }

    async fn try_publish_as(self, url: &str, words: &[&[u8]]) -> Result<Value, RedisError> {
        let mut command = match self {
            Self::Function => redis::cmd("FCALL"),
            Self::Script => redis::cmd("EVAL"),
        };
        command.arg(if self == Self::Function { "sse_publish" } else { SCRIPT }).arg(1);
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut connect(url).await?).await
    }

    async fn publish(self, server: &Server, words: &[&str]) -> EntryId {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        text(&self.try_publish(server, &words).await.unwrap()).parse().unwrap()
    }

    async fn refusal(self, server: &Server, words: &[&[u8]]) -> String {
        let error = self.try_publish(server, words).await.expect_err("a refusal");
        format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
    }
}

/// Subscribes and hands over what arrives.
async fn listen(server: &Server, channel: &str) -> (redis::aio::MultiplexedConnection, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(100);
    let config = redis::AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
        if let (PushKind::Message, [_, Value::BulkString(payload)]) = (push.kind, &push.data[..]) {
            sender.try_send(Bytes::copy_from_slice(payload)).unwrap();
        }
        Ok::<_, redis::aio::SendError>(())
    });
    let client = redis::Client::open(format!("{}/?protocol=resp3", server.url())).unwrap();
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    connection.subscribe(channel).await.unwrap();
    (connection, receiver)
}

async fn keys(server: &Server) -> Vec<String> {
    let mut keys: Vec<String> = server.run(&["KEYS", "*"]).await;
    keys.sort();
    keys
}

#[tokio::test]
async fn a_publish_stores_one_entry_and_pushes_exactly_it_with_its_predecessor() {
    for form in FORMS {
        let server = library().await;
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

#[tokio::test]
async fn prev_is_the_last_generated_id_even_after_the_newest_entry_was_deleted() {
    for form in FORMS {
        let server = library().await;
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
        (&[b"$dedup:{sse:a}:k", b"DATA", b"d"], "belong to the gateway"),
        (&[b"sse:a\r\nb", b"DATA", b"d"], "control characters"),
        (&[b"sse:\xff", b"DATA", b"d"], "is not UTF-8"),
        (&[long_key.as_bytes(), b"DATA", b"d"], "more than 319 bytes"),
        (&[b"sse:a}b", b"DATA", b"d", b"DEDUP", b"k"], "braces"),
        (&[b"sse:{}a", b"DATA", b"d", b"DEDUP", b"k"], "braces"),
    ];
    let server = library().await;
    for form in FORMS {
        for (call, reason) in cases {
            let refusal = form.refusal(&server, call).await;
            assert!(refusal.starts_with("ERR fanfare: ") && refusal.contains(reason), "{form:?} {call:?}: {refusal}");
        }
    }
    assert_eq!(keys(&server).await, Vec::<String>::new());
    let two_keys = server.try_run::<Value>(&["FCALL", "sse_publish", "2", "sse:a", "sse:b", "DATA", "d"]).await;
    assert!(two_keys.unwrap_err().to_string().contains("exactly one key"));
}

#[tokio::test]
async fn names_that_the_gateway_accepts_are_accepted_here_too() {
    let server = library().await;
    for form in FORMS {
        for name in ["a", "a}b", "{}", "a{b}c", "é", "日本", "🦀", "a b", "a:$b", "\u{a0}x", "\u{10ffff}"] {
            form.publish(&server, &[&format!("sse:{name}"), "DATA", "d", "EVENT", name]).await;
        }
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_left_alone() {
    let server = library().await;
    server.run::<Value>(&["SET", "sse:a", "text"]).await;
    for form in FORMS {
        let refusal = form.refusal(&server, &[b"sse:a", b"DATA", b"d", b"DEDUP", b"k"]).await;
        assert_eq!(refusal, "ERR fanfare: 'sse:a' holds a string, not a stream");
    }
    assert_eq!(keys(&server).await, ["sse:a"]);
}

#[tokio::test]
async fn a_stream_never_grows_without_bound() {
    let server = library().await;
    let mut connection = server.connection().await;
    let mut calls = redis::pipe();
    for _ in 0..10_300 {
        calls.cmd("FCALL").arg("sse_publish").arg(1).arg("sse:a").arg("DATA").arg("d").ignore();
    }
    calls.query_async::<()>(&mut connection).await.unwrap();
    let kept: u64 = server.run(&["XLEN", "sse:a"]).await;
    assert!((10_000..10_200).contains(&kept), "{kept}");
    for form in FORMS {
        form.publish(&server, &["sse:a", "DATA", "d", "MAXLEN", "100"]).await;
        let kept: u64 = server.run(&["XLEN", "sse:a"]).await;
        assert!((100..300).contains(&kept), "{kept}");
    }
}

#[tokio::test]
async fn a_ttl_has_a_floor_only_extends_and_a_publish_without_one_makes_the_stream_permanent() {
    for form in FORMS {
        let server = library().await;
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

#[tokio::test]
async fn a_repeated_dedup_key_publishes_nothing_and_replies_with_the_first_id_as_a_simple_string() {
    for form in FORMS {
        let server = library().await;
        let (_connection, mut pushes) = listen(&server, "sse:a").await;
        let call: &[&[u8]] = &[b"sse:a", b"DATA", b"d", b"DEDUP", b"order-1"];
        let first = form.try_publish(&server, call).await.unwrap();
        let second = form.try_publish(&server, call).await.unwrap();
        assert!(
            matches!(first, Value::BulkString(_)) && matches!(second, Value::SimpleString(_)),
            "{first:?} {second:?}"
        );
        assert_eq!(text(&first), text(&second));
        let window: i64 = server.run(&["TTL", "$dedup:{sse:a}:order-1"]).await;
        assert!((598..=600).contains(&window));
        form.publish(&server, &["sse:b", "DATA", "d", "DEDUP", "order-1"]).await;
        form.publish(&server, &["sse:a", "DATA", "last"]).await;
        assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 2);
        pushes.recv().await.unwrap();
        assert!(pushes.recv().await.unwrap().ends_with(b"last"));
    }
}

#[tokio::test]
async fn a_dedup_key_lives_in_the_slot_of_its_stream_and_is_nobody_elses() {
    let server = library().await;
    // Only a member of a cluster tells slots.
    let cluster = Server::with(&["--cluster-enabled", "yes"]).await;
    for stream in ["sse:a", "sse:{t}:a", "x{t}y", "sse:{a", "{{t}}", "sse:{t}{u}"] {
        server.run::<Value>(&["FLUSHALL"]).await;
        Form::Function.publish(&server, &[stream, "DATA", "d", "DEDUP", "k}{"]).await;
        let keys = keys(&server).await;
        let other = keys.iter().find(|key| *key != stream).unwrap();
        assert!(other.starts_with("$dedup:{"), "{other}");
        let slot = async |key: &str| cluster.run::<i64>(&["CLUSTER", "KEYSLOT", key]).await;
        assert_eq!(slot(stream).await, slot(other).await, "{stream} {other}");
    }
    // Streams with one tag, whose names and keys could be read as one another's.
    server.run::<Value>(&["FLUSHALL"]).await;
    let first = Form::Function.publish(&server, &["{t}a", "DATA", "d", "DEDUP", "b:c"]).await;
    let second = Form::Function.publish(&server, &["{t}a:b", "DATA", "d", "DEDUP", "c"]).await;
    let third = Form::Function.publish(&server, &["t", "DATA", "d", "DEDUP", "5:{t}a:b:c"]).await;
    assert_eq!(keys(&server).await.len(), 6, "{first} {second} {third}");
}

#[tokio::test]
async fn a_user_who_may_not_do_every_step_stores_nothing_and_a_retry_with_the_same_dedup_key_succeeds() {
    let server = library().await;
    let all = ["+publish", "+xadd", "+type", "+pttl", "+xinfo|stream", "+expire", "+persist", "+get", "+set"];
    for form in FORMS {
        for missing in all {
            let (_connection, mut pushes) = listen(&server, "sse:a").await;
            let mut rules =
                vec!["ACL", "SETUSER", "ada", "reset", "on", ">secret", "~sse:*", "~$dedup:{sse:*", "&sse:*"];
            rules.extend(["+fcall", "+eval"]);
            rules.extend(all.iter().filter(|right| **right != missing));
            server.run::<Value>(&["FLUSHALL"]).await;
            if missing == "+persist" {
                form.publish(&server, &["sse:a", "DATA", "before", "TTL", "60"]).await;
                pushes.recv().await.unwrap();
            }
            let before = keys(&server).await.len();
            server.run::<Value>(&rules).await;
            let mut call: Vec<&[u8]> = vec![b"sse:a", b"DATA", b"d", b"DEDUP", b"k"];
            if missing == "+expire" {
                call.extend([&b"TTL"[..], b"60"]);
            }
            let error = form.try_publish_as(&server.url_of("ada"), &call).await.expect_err(missing);
            assert_eq!(error.code(), Some("NOPERM"), "{form:?} {missing}: {error}");
            assert!(error.to_string().contains("nothing was written"), "{error}");
            assert_eq!(keys(&server).await.len(), before, "{form:?} {missing}");
            server.run::<Value>(&["ACL", "SETUSER", "ada", missing]).await;
            let retried = form.try_publish_as(&server.url_of("ada"), &call).await.unwrap();
            assert!(matches!(retried, Value::BulkString(_)), "published, not taken for a repetition");
            assert!(pushes.recv().await.unwrap().ends_with(b"d"));
        }
    }
}

#[tokio::test]
async fn the_wrong_channel_or_dedup_key_in_an_acl_is_noticed_before_anything_is_written() {
    let server = library().await;
    for (keys_rule, channels_rule) in [("~sse:*", "&sse:*"), ("~*", "&other:*")] {
        server
            .run::<Value>(&["ACL", "SETUSER", "ada", "reset", "on", ">secret", keys_rule, channels_rule, "+@all"])
            .await;
        for form in FORMS {
            let call: &[&[u8]] = &[b"sse:a", b"DATA", b"d", b"DEDUP", b"k"];
            let error = form.try_publish_as(&server.url_of("ada"), call).await.unwrap_err();
            assert_eq!(error.code(), Some("NOPERM"), "{error}");
        }
    }
    assert_eq!(keys(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_sharded_function_publishes_to_sharded_subscribers_only() {
    let server = library().await;
    let (_plain, mut plain) = listen(&server, "sse:a").await;
    server.run::<Value>(&["FCALL", "sse_spublish", "1", "sse:a", "DATA", "sharded"]).await;
    server.run::<Value>(&["FCALL", "sse_publish", "1", "sse:a", "DATA", "plain"]).await;
    assert!(plain.recv().await.unwrap().ends_with(b"plain"));
    assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 2);
}

#[tokio::test]
async fn the_version_function_may_be_called_by_readers() {
    let server = library().await;
    assert_eq!(server.run::<u64>(&["FCALL_RO", "sse_version", "0"]).await, fanfare_redis::VERSION);
}
