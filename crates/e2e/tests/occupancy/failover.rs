//! What becomes of the numbers when Redis comes back without them, or a replica with older ones.

use std::time::Instant;

use fanfare_e2e::{Proxy, RedisServer, eventually};

use super::{Scene, await_count, count, keys, open, read_told, watch};

// Seen to fail when a life that could not be renewed is not given up.
#[test]
fn a_redis_that_comes_back_empty_is_told_again_and_no_node_says_less_than_it_has_itself() {
    let mut scene = Scene::new();
    let (here, there) = (scene.node().start(), scene.node().start());
    let mut watching = watch(&here, "chat:1");
    let _readers = [&here, &there, &there].map(|node| open(node, "chat:1"));
    read_told(&mut watching, 4);
    await_count(&there, "chat:1", 4);
    scene.redis.kill();
    for node in [&here, &there] {
        let failed = || node.metric("fanfare_occupancy_rounds_total", "failed");
        eventually("the node to know that it is not counted", || failed().filter(|rounds| *rounds >= 1.0));
        assert_eq!(count(node, "chat:1"), None);
    }
    scene.redis.wipe();
    scene.redis.launch();
    let back = Instant::now();
    for readers in [&here, &there].map(|node| eventually("an answer", || count(node, "chat:1"))) {
        assert!((2..=4).contains(&readers), "{readers} are said to be there, of 4, of which the node itself has 2");
    }
    for node in [&here, &there] {
        await_count(node, "chat:1", 4);
    }
    println!("all are counted {:?} after Redis came back at the latest", back.elapsed());
}

// Seen to fail when a life is renewed over another connection than it began on, and when the one before is not ended.
#[test]
fn a_replica_that_takes_over_with_older_numbers_is_told_the_latest_and_counts_nobody_twice() {
    let mut scene = Scene::new();
    let (replica, proxy) = (RedisServer::start(), Proxy::to(scene.redis.address()));
    let builder = || scene.node().set("redis.url", &format!("redis://{}", proxy.address()));
    let (here, there) = (builder().start(), builder().start());
    let _early = [&here, &there].map(|node| open(node, "chat:1"));
    await_count(&here, "chat:1", 2);
    let lives = || keys(&scene.redis).into_iter().filter(|key| key.contains("}:node:"));
    replica.follow(scene.redis.address());
    eventually("the replica to have all", || replica.is_in_step().then_some(()));
    replica.lead();
    // Renewed a moment before it took over, however long the test takes.
    lives().for_each(|life| _ = replica.connection().command(["SET", &life, "1"]));
    let _late = [&here, &there].map(|node| open(node, "chat:1"));
    await_count(&there, "chat:1", 4);
    proxy.retarget(replica.address());
    scene.redis.kill();
    for node in [&here, &there] {
        eventually("the latest number", || {
            let readers = count(node, "chat:1")?;
            assert!(readers <= 4, "{readers} are said, of 4");
            (readers == 4).then_some(())
        });
    }
    let left = keys(&replica);
    assert!(left.len() <= 3, "more than a hash and two lives: {left:?}");
}
