//! The publishing library on a real server: deduplication, ACLs, and its other functions.
#![allow(clippy::unwrap_used)]

mod support;

use redis::Value;
use support::publishing::*;
use support::*;

#[tokio::test]
async fn a_repeated_dedup_key_publishes_nothing_and_replies_with_the_first_id_as_a_simple_string() {
    for form in FORMS {
        let server = library().await;
        if !form.is_known(&server).await {
            continue;
        }
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
        Form::Script.publish(&server, &[stream, "DATA", "d", "DEDUP", "k}{"]).await;
        let keys = keys(&server).await;
        let other = keys.iter().find(|key| *key != stream).unwrap();
        assert!(other.starts_with("$dedup:{"), "{other}");
        let slot = async |key: &str| cluster.run::<i64>(&["CLUSTER", "KEYSLOT", key]).await;
        assert_eq!(slot(stream).await, slot(other).await, "{stream} {other}");
    }
    // Streams with one tag, whose names and keys could be read as one another's.
    server.run::<Value>(&["FLUSHALL"]).await;
    let first = Form::Script.publish(&server, &["{t}a", "DATA", "d", "DEDUP", "b:c"]).await;
    let second = Form::Script.publish(&server, &["{t}a:b", "DATA", "d", "DEDUP", "c"]).await;
    let third = Form::Script.publish(&server, &["t", "DATA", "d", "DEDUP", "5:{t}a:b:c"]).await;
    assert_eq!(keys(&server).await.len(), 6, "{first} {second} {third}");
}

#[tokio::test]
async fn a_user_who_may_not_do_every_step_stores_nothing_and_a_retry_with_the_same_dedup_key_succeeds() {
    let server = library().await;
    let foresees = server.foresees_denials().await;
    let all = ["+publish", "+xadd", "+type", "+pttl", "+xinfo|stream", "+expire", "+persist", "+get", "+set"];
    for form in forms(&server).await {
        for missing in all {
            let (_connection, mut pushes) = listen(&server, "sse:a").await;
            let mut rules = vec![
                "ACL",
                "SETUSER",
                "ada",
                "reset",
                "resetchannels",
                "on",
                ">secret",
                "~sse:*",
                "~$dedup:{sse:*",
                "&sse:*",
            ];
            rules.push(form.right());
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
            let outcome = form.try_publish_as(&server.url_of("ada"), &call).await;
            if missing == "+publish" && !foresees {
                outcome.unwrap();
                assert!(pushes.try_recv().is_err(), "stored, and nobody is told (decision 28)");
                continue;
            }
            if missing == "+xinfo|stream" && !foresees {
                assert!(outcome.is_ok(), "the first entry of a stream needs no look at it");
                pushes.recv().await.unwrap();
                continue;
            }
            let error = outcome.expect_err(missing);
            // Redis 6.2 ends the script in its own words where it reads, which it does before it writes.
            let in_its_own_words = !foresees && error.to_string().contains("user executing the script can't");
            assert!(error.code() == Some("NOPERM") || in_its_own_words, "{form:?} {missing}: {error}");
            assert!(error.to_string().contains("nothing was written") || in_its_own_words, "{error}");
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
    let foresees = server.foresees_denials().await;
    // Where nobody can be asked, a channel that is not allowed makes no error (decision 28).
    let cases = [("~sse:*", "&sse:*"), ("~*", "&other:*")].into_iter().take(if foresees { 2 } else { 1 });
    for (keys_rule, channels_rule) in cases {
        server
            .run::<Value>(&[
                "ACL",
                "SETUSER",
                "ada",
                "reset",
                "resetchannels",
                "on",
                ">secret",
                keys_rule,
                channels_rule,
                "+@all",
            ])
            .await;
        for form in forms(&server).await {
            let call: &[&[u8]] = &[b"sse:a", b"DATA", b"d", b"DEDUP", b"k"];
            let error = form.try_publish_as(&server.url_of("ada"), call).await.unwrap_err();
            let says_so =
                error.code() == Some("NOPERM") || error.to_string().contains("user executing the script can't");
            assert!(says_so, "{error}");
        }
    }
    assert_eq!(keys(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_sharded_function_publishes_to_sharded_subscribers_only() {
    let server = library().await;
    if !server.has_functions().await {
        return;
    }
    let (_plain, mut plain) = listen(&server, "sse:a").await;
    server.run::<Value>(&["FCALL", "sse_spublish", "1", "sse:a", "DATA", "sharded"]).await;
    server.run::<Value>(&["FCALL", "sse_publish", "1", "sse:a", "DATA", "plain"]).await;
    assert!(plain.recv().await.unwrap().ends_with(b"plain"));
    assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 2);
}

#[tokio::test]
async fn the_version_function_may_be_called_by_readers() {
    let server = library().await;
    if !server.has_functions().await {
        return;
    }
    assert_eq!(server.run::<u64>(&["FCALL_RO", "sse_version", "0"]).await, fanfare_redis::VERSION);
}
