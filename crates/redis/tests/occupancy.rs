//! Numbers of readers on a real server: those of nodes that live are added up, and those of the others are removed.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::{NodeLife, OccupancyError, OccupancyStore};
use fanfare_protocol::ChannelName;
use fanfare_redis::{Grade, Options, RedisOccupancy, check};
use redis::Value;
use support::*;

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn all(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| channel(name)).collect()
}

/// Begins a life as soon as the node has connected.
async fn begin(occupancy: &RedisOccupancy, life: NodeLife) {
    eventually("the node begins a life", async || occupancy.begin(life, None).await.is_ok()).await;
}

// Seen to fail when dead lives are added up, when a lapsed life is renewed, and when nothing expires.
#[tokio::test]
async fn numbers_count_as_long_as_the_lives_last_in_which_they_were_said() {
    let server = Server::start().await;
    let (here, there) = (Node::start(&server.options()), Node::start(&server.options()));
    let (here, there) = (&here.store.occupancy, &there.store.occupancy);
    let [one, other, late] = [1, 2, 3].map(NodeLife::of);
    begin(here, one).await;
    begin(there, other).await;
    assert!(here.begin(other, None).await.is_err(), "a life has one owner");
    here.write(one, vec![(channel("a"), 2), (channel("b"), 1)]).await.unwrap();
    there.write(other, vec![(channel("a"), 3)]).await.unwrap();
    assert_eq!(here.read(all(&["a", "b", "c"])).await, Ok(vec![5, 1, 0]));
    let kept: i64 = server.run(&["PTTL", "$fanfare:{sse:}:readers:a"]).await;
    assert!((60_000..=120_000).contains(&kept), "{kept}");
    assert_eq!(here.keep(all(&["a", "c"])).await, Ok(vec![true, false]));

    // As if time had passed.
    let key = "$fanfare:{sse:}:node:0000000000000002";
    server.run::<Value>(&["PEXPIRE", key, "1"]).await;
    eventually("the life lapses", async || server.run::<u64>(&["EXISTS", key]).await == 0).await;
    assert_eq!(there.renew(other).await, Ok(false));
    assert_eq!(here.renew(one).await, Ok(true));
    there.write(other, vec![(channel("b"), 9)]).await.unwrap();
    assert_eq!(here.read(all(&["a", "b"])).await, Ok(vec![2, 1]));
    let fields: Vec<String> = server.run(&["HKEYS", "$fanfare:{sse:}:readers:a"]).await;
    assert_eq!(fields, ["0000000000000001"], "what the dead have said is removed");

    // Another life begins and ends the one before.
    here.begin(late, Some(one)).await.unwrap();
    assert_eq!(here.renew(one).await, Ok(false));
    here.write(late, vec![(channel("a"), 4)]).await.unwrap();
    assert_eq!(there.read(all(&["a"])).await, Ok(vec![4]));
    here.write(late, vec![(channel("a"), 0)]).await.unwrap();
    here.end(late, all(&["a", "b"])).await.unwrap();
    assert_eq!(there.read(all(&["a", "b"])).await, Ok(vec![0, 0]));
    assert_eq!(server.run::<Vec<String>>(&["KEYS", "$fanfare:{sse:}:*"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_documented_rights_do_and_each_of_them_is_missed() {
    let mut server = Server::with(&["--appendonly", "yes"]).await;
    server.load_library().await;
    let needed = ["+hset", "+hdel", "+hgetall", "+pexpire"];
    let user = async |without: &str| {
        server
            .run::<Value>(&["ACL", "SETUSER", "node", "reset", "resetchannels", "on", ">secret", "+@all", "~*", "&*"])
            .await;
        if !without.is_empty() {
            server.run::<Value>(&["ACL", "SETUSER", "node", &without.replace('+', "-")]).await;
        }
    };
    user("").await;
    let options = Options { url: server.url_of("node"), occupancy: true, ..server.options() };
    let complains = async |options: &Options| {
        let report = check(options).await;
        let found = report.lines.iter().filter(|line| line.finding.contains("readers are not counted"));
        found.map(|line| (line.grade, line.run.clone())).collect::<Vec<_>>()
    };
    assert!(complains(&options).await.is_empty());
    for rule in needed {
        user(rule).await;
        let found = complains(&options).await;
        assert!(matches!(&found[..], [(Grade::Warn, run)] if run.ends_with(rule)), "{rule}: {found:?}");
        assert!(complains(&Options { occupancy: false, ..options.clone() }).await.is_empty(), "nobody asked");
    }
    assert!(server.run::<Vec<String>>(&["KEYS", "$fanfare:{*"]).await.is_empty(), "a check leaves nothing behind");

    user("+hset").await;
    let node = Node::start(&options);
    let (occupancy, life) = (&node.store.occupancy, NodeLife::of(1));
    begin(occupancy, life).await;
    let refused = occupancy.write(life, vec![(channel("a"), 1)]).await;
    assert!(matches!(&refused, Err(OccupancyError::Denied(reason)) if reason.starts_with("NOPERM")), "{refused:?}");
    server.kill();
    let away = occupancy.renew(life).await;
    assert!(matches!(away, Err(OccupancyError::Unavailable(_))), "{away:?}");
}
