//! The key that names a life of the gateway's own logs: publishers have no part in it.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::{Archive, Tip};
use fanfare_protocol::{Epoch, LogName};
use fanfare_redis::{Options, RedisArchive};
use redis::Value;
use support::streams::*;
use support::*;

const OWN: &str = "$fanfare:{sse:}:$epoch";
const LOG: &str = "$fanfare:{sse:}:revoked";

/// Of several logs, asked for at once.
async fn tips(archive: &RedisArchive, logs: &[LogName]) -> Vec<Tip> {
    archive.tips(logs.to_vec()).await.unwrap().into_iter().map(Result::unwrap).collect()
}

async fn own_epoch(archive: &RedisArchive) -> Epoch {
    tips(archive, &[LogName::revoked()]).await[0].epoch
}

// Fails when all logs share a key, and when a batch is read with the key of its first log.
#[tokio::test]
async fn who_names_the_life_of_channels_anew_changes_nothing_for_the_gateways_own_logs() {
    let (server, archive) = library().await;
    let logs = [name("a"), LogName::revoked(), LogName::probe(), name("b")];
    let rules = ["ACL", "SETUSER", "publisher", "on", ">secret", "+set", "+@connection", "~sse:*", "~$dedup:{sse:*"];
    server.run::<Value>(&rules).await;
    let publisher = connect(&server.url_of("publisher")).await.unwrap();
    let rename = async |key: &str| command(&["SET", key, "x"]).query_async::<Value>(&mut publisher.clone()).await;
    assert_eq!(rename(OWN).await.unwrap_err().code(), Some("NOPERM"));
    // In transactions, and then by a function, since one entry of each kind is large.
    for is_large in [false, true] {
        if is_large {
            let large = "x".repeat(100_000);
            for key in ["sse:a", LOG] {
                server.run::<Value>(&["XADD", key, "*", "data", &large]).await;
            }
            tips(&archive, &logs).await;
        }
        server.run::<Value>(&["DEL", "sse:$epoch"]).await;
        let before = tips(&archive, &logs).await;
        let own: String = server.run(&["GET", OWN]).await;
        assert_eq!(before[1].epoch, Epoch::from_key(own.as_bytes()));
        rename("sse:$epoch").await.unwrap();
        let after = tips(&archive, &logs).await;
        assert_eq!(after[1].epoch, before[1].epoch);
        for channel in [0, 2, 3] {
            assert_eq!((before[channel].epoch == before[0].epoch, after[channel].epoch), (true, Epoch::from_key(b"x")));
        }
        let are_absent: Vec<_> = after.iter().map(|tip| tip.position.is_absent()).collect();
        assert_eq!(are_absent, [!is_large, !is_large, true, true]);
        if is_large && server.has_functions().await {
            assert!(calls(&server, "fcall_ro").await > 0);
        }
    }
}

// Fails when the name tells nothing of what Redis evicts: a log may have come and gone while nobody looked.
#[tokio::test]
async fn a_time_in_which_redis_could_evict_anything_is_another_life_of_the_own_logs_and_no_other_time_is() {
    let server = Server::start().await;
    let mut named = Vec::new();
    for policy in ["noeviction", "volatile-lru", "allkeys-lru", "volatile-lru", "noeviction"] {
        set_policy(&server, policy).await;
        // A node that has just connected asks for the policy.
        named.push(own_epoch(&archive(&server.options())).await);
    }
    assert_eq!((named[0], named[3]), (named[1], named[4]), "no own log expires");
    assert!(named[1] != named[2] && named[2] != named[3] && named[3] != named[0], "{named:?}");
}

// Fails when all logs of a request are read together: whoever may not read this key would not learn where channels end either.
#[tokio::test]
async fn a_user_without_a_right_to_the_key_still_reads_channels_and_is_told_of_the_own_log() {
    let server = Server::start().await;
    let rules = ["ACL", "SETUSER", "node", "on", ">secret", "+@all", "~sse:*", "&*"];
    server.run::<Value>(&[&rules[..], &[&format!("~{LOG}")]].concat()).await;
    let archive = archive(&Options { url: server.url_of("node"), ..server.options() });
    let answers = archive.tips(vec![LogName::revoked(), name("a"), name("b")]).await.unwrap();
    assert!(answers[0].is_err() && answers[1].is_ok() && answers[2].is_ok(), "{answers:?}");
}
