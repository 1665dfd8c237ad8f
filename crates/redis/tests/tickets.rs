//! Tickets on a real server: what one node keeps, another one finds, and one first use counts.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use fanfare_log::{HeldTicket, TicketError, TicketStore};
use fanfare_protocol::TicketName;
use fanfare_redis::{Grade, Options, RedisTickets, check};
use redis::Value;
use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn ticket(number: u8) -> TicketName {
    TicketName::of_digest([number; 32])
}

fn key(number: u8) -> String {
    format!("$fanfare:{{sse:}}:ticket:{}", ticket(number))
}

fn record(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Makes a ticket as soon as the node has connected.
async fn first_made(tickets: &RedisTickets, number: u8, ttl: Duration) {
    eventually("the node makes a ticket", async || tickets.make(ticket(number), record("made"), ttl).await.is_ok())
        .await;
}

#[tokio::test]
async fn a_ticket_that_one_node_makes_another_one_finds_and_each_text_has_its_own_time() {
    let server = Server::start().await;
    let (here, there) = (Node::start(&server.options()), Node::start(&server.options()));
    let (here, there) = (&here.store.tickets, &there.store.tickets);
    first_made(here, 1, MINUTE).await;
    eventually("the other node is connected", async || there.find(ticket(1)).await.is_ok()).await;
    let held = there.find(ticket(1)).await.unwrap();
    assert_eq!((held.made.as_deref(), &held.used), (Some(&b"made"[..]), &None));
    let clock: (u64, u64) = server.run(&["TIME"]).await;
    for now_ms in [held.now_ms, there.now_ms().await.unwrap()] {
        assert!(clock.0.abs_diff(now_ms / 1_000) <= 2, "the time is the store's");
    }

    assert_eq!(there.use_first(ticket(1), record("used"), 10 * MINUTE).await.unwrap(), "used");
    let held = here.find(ticket(1)).await.unwrap();
    assert_eq!((held.made.as_deref(), held.used.as_deref()), (Some(&b"made"[..]), Some(&b"used"[..])));
    let (made, used) = (server.run::<i64>(&["PTTL", &key(1)]).await, format!("{}:used", key(1)));
    assert!((1..=60_000).contains(&made), "{made}");
    assert!((60_001..=600_000).contains(&server.run::<i64>(&["PTTL", &used]).await));

    let nobodys = there.find(ticket(2)).await.unwrap();
    assert_eq!(nobodys, HeldTicket { now_ms: nobodys.now_ms, ..HeldTicket::default() });
    let kept: Vec<String> = server.run(&["KEYS", "$fanfare:{sse:}:*"]).await;
    assert_eq!(kept.len(), 2, "nothing is kept of a ticket that nobody made: {kept:?}");
}

// Fails when the second first use writes over the first.
#[tokio::test]
async fn of_many_first_uses_at_once_one_counts_and_all_hear_of_it() {
    let server = Server::start().await;
    let nodes = [Node::start(&server.options()), Node::start(&server.options())];
    for node in &nodes {
        first_made(&node.store.tickets, 1, MINUTE).await;
    }
    let mut uses = tokio::task::JoinSet::new();
    for number in 0..40 {
        let tickets = nodes[number % 2].store.tickets.clone();
        uses.spawn(async move { tickets.use_first(ticket(1), format!("use {number}").into(), MINUTE).await.unwrap() });
    }
    let heard: std::collections::HashSet<Bytes> = uses.join_all().await.into_iter().collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let used: String = server.run(&["GET", &format!("{}:used", key(1))]).await;
    assert!(heard.contains(used.as_bytes()));
}

#[tokio::test]
async fn a_ticket_that_is_not_used_in_time_is_gone() {
    let server = Server::start().await;
    let node = Node::start(&server.options());
    let tickets = &node.store.tickets;
    first_made(tickets, 1, MINUTE).await;
    tickets.make(ticket(2), record("made"), Duration::from_millis(50)).await.unwrap();
    eventually("it is gone", async || tickets.find(ticket(2)).await.unwrap().made.is_none()).await;
    assert!(tickets.find(ticket(1)).await.unwrap().made.is_some());
}

#[tokio::test]
async fn a_redis_that_is_away_or_refuses_says_so_and_a_full_one_still_finds_tickets() {
    let mut server = Server::start().await;
    let node = Node::start(&server.options());
    let tickets = &node.store.tickets;
    first_made(tickets, 1, MINUTE).await;
    tickets.make(ticket(2), record("made"), MINUTE).await.unwrap();
    tickets.use_first(ticket(1), record("used"), MINUTE).await.unwrap();
    server.run::<Value>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(matches!(tickets.make(ticket(3), record("made"), MINUTE).await, Err(TicketError::Unavailable(_))));
    assert!(tickets.find(ticket(1)).await.unwrap().used.is_some(), "who has a ticket that is in use gets in");
    let first_use = tickets.use_first(ticket(2), record("used"), MINUTE).await;
    assert!(matches!(first_use, Err(TicketError::Unavailable(_))), "who has not used one waits until there is room");
    assert!(tickets.find(ticket(2)).await.unwrap().used.is_none());
    server.run::<Value>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    server.kill();
    assert!(matches!(tickets.find(ticket(1)).await, Err(TicketError::Unavailable(_))));
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_by_the_store_and_found_by_the_check() {
    let server = Server::with(&["--appendonly", "yes"]).await;
    server.load_library().await;
    let everything_else = ["+@all", "~sse:*", "~$fanfare:library", "&*"];
    let rules = [&["ACL", "SETUSER", "node", "reset", "resetchannels", "on", ">secret"][..], &everything_else].concat();
    server.run::<Value>(&rules).await;
    let options = Options { url: server.url_of("node"), ..server.options() };
    let node = Node::start(&options);
    let tickets = &node.store.tickets;
    eventually("Redis has refused", async || {
        matches!(tickets.find(ticket(1)).await, Err(TicketError::Denied(reason)) if reason.starts_with("NOPERM"))
    })
    .await;
    assert!(matches!(tickets.make(ticket(1), record("made"), MINUTE).await, Err(TicketError::Denied(_))));
    let report = check(&options).await;
    assert!(report.lines.iter().all(|line| !line.finding.contains("ticket")), "nobody asked\n{report}");
    let report = check(&Options { tickets: true, ..options.clone() }).await;
    let told = report.lines.iter().filter(|line| line.finding.contains("ticket"));
    assert!(told.clone().count() == 2 && told.clone().all(|line| line.grade == Grade::Warn), "\n{report}");
    server.run::<Value>(&["ACL", "SETUSER", "node", "~$fanfare:*"]).await;
    first_made(tickets, 1, MINUTE).await;
    let report = check(&Options { tickets: true, ..options }).await;
    assert!(report.lines.iter().all(|line| !line.finding.contains("ticket")), "\n{report}");
}
