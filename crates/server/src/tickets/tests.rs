//! Tickets over the in-process store, whose clock a test moves.

use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_auth::Right;
use fanfare_log::memory::{MemoryOptions, MemoryStore};

use super::*;
use crate::clock::Clock;

/// The node's clock; the store's is another one.
const WALL: u64 = 1_800_000_000;

struct Scene {
    options: TicketOptions,
    store: MemoryStore,
    /// Seconds of the store's clock.
    now: Arc<AtomicU64>,
    uses: TicketUseCells,
}

fn scene() -> Scene {
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = {
        let now = Arc::clone(&now);
        Arc::new(move || now.load(Ordering::Relaxed) * 1_000)
    };
    let store = MemoryStore::new(MemoryOptions { clock, ..MemoryOptions::default() });
    let options = TicketOptions {
        store: Arc::new(store.clone()),
        max_lifetime: Duration::from_secs(86_400),
        clock: Clock::from_fn(|| WALL * 1_000),
    };
    Scene { options, store, now, uses: TicketUseCells::default() }
}

impl Scene {
    async fn ticket(&self, order: &str) -> Ticket {
        let bounds = TicketBounds { channels: 64, lifetime: self.options.max_lifetime };
        let order = TicketOrder::parse(order.as_bytes(), &bounds).unwrap();
        let (ticket, ttl) = (Ticket::by_chance().unwrap(), order.ttl);
        let record = order.into_record(UnixSeconds(WALL)).encode();
        self.options.store.make(ticket.name(), record, ttl).await.unwrap();
        ticket
    }

    async fn redeem(&self, ticket: &Ticket, named: &[&str], purpose: Purpose) -> Result<Redeemed, Denied> {
        let named: Vec<_> = named.iter().map(|name| channel(name)).collect();
        redeem(&self.options, Ok(ticket.clone()), &named, purpose, &self.uses).await
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn used(&self) -> [u64; 5] {
        TicketUse::ALL.map(|what| self.uses.of(what).get())
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn end(redeemed: &Redeemed) -> u64 {
    redeemed.grant.expires_at.unwrap().0
}

// Fails when each use begins a life of its own, and when the life is counted from when the ticket was made.
#[tokio::test]
async fn the_first_use_begins_a_life_that_later_uses_do_not_lengthen() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"],"ttl":60,"lifetime":3600}"#).await;
    scene.pass(59);
    let first = scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap();
    assert_eq!(end(&first), WALL + 3_600);
    scene.pass(3_599);
    let last = scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap();
    assert_eq!(end(&last), WALL + 1, "by the node's clock, which stands still here");
    scene.pass(1);
    for _ in 0..2 {
        assert_eq!(scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap_err(), Denied::TicketOver);
        scene.pass(3_599);
    }
    scene.pass(1);
    assert_eq!(scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap_err(), Denied::UnknownTicket);
    assert_eq!(scene.used(), [1, 1, 2, 1, 0]);
}

#[tokio::test]
async fn a_ticket_that_is_not_used_in_time_is_none_and_a_look_is_no_use() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"],"ttl":60}"#).await;
    let looked = scene.redeem(&ticket, &[], Purpose::Look).await.unwrap();
    assert_eq!(end(&looked), WALL + 3_600);
    scene.pass(60);
    assert_eq!(scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap_err(), Denied::UnknownTicket);
}

// Fails when a URL may name what the ticket does not, and when asking in vain begins the ticket's life.
#[tokio::test]
async fn a_url_may_name_some_of_the_tickets_channels_and_no_others() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a","b"],"sub":"7","lifetime":100}"#).await;
    for named in [&["c"][..], &["a", "c"]] {
        let refused = scene.redeem(&ticket, named, Purpose::Stream).await.unwrap_err();
        assert_eq!(refused, Denied::NotOfTicket(channel("c")));
    }
    scene.pass(30);
    let redeemed = scene.redeem(&ticket, &["b"], Purpose::Stream).await.unwrap();
    assert_eq!(end(&redeemed), WALL + 100);
    assert_eq!(redeemed.grant.subject.as_deref(), Some("7"));
    assert!(redeemed.grant.rights.allow(Right::Subscribe, &channel("a")));
    let asked = Subscription { channels: vec![channel("b")], ..Subscription::default() };
    let (begun, _) = redeemed.begin(asked);
    assert_eq!((begun.channels, begun.names_channels), (vec![channel("b")], false));
}

#[tokio::test]
async fn a_ticket_says_what_the_url_does_not() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["b","a"],"from":"v"}"#).await;
    let redeemed = scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap();
    let (begun, grant) = redeemed.begin(Subscription { ready: true, ..Subscription::default() });
    assert_eq!(begun.channels, [channel("b"), channel("a")]);
    assert!(begun.names_channels && begun.ready);
    assert_eq!(begun.resume, Some(LastEventId::parse("v")));
    assert_eq!(grant.permit(Right::Subscribe, &begun.channels), Ok(()));
    // A client that has a place of its own goes on there.
    let redeemed = scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap();
    let own = Some(LastEventId::parse("1-0"));
    let (begun, _) = redeemed.begin(Subscription { resume: own.clone(), ..Subscription::default() });
    assert_eq!(begun.resume, own);
}

#[tokio::test]
async fn what_the_store_cannot_say_now_is_not_said_for_good() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"]}"#).await;
    scene.store.set_offline(true);
    assert_eq!(scene.redeem(&ticket, &[], Purpose::Stream).await.unwrap_err(), Denied::Unstored);
    scene.store.set_offline(false);
    assert!(scene.redeem(&ticket, &[], Purpose::Stream).await.is_ok());
    let of_a_newer_node = Ticket::by_chance().unwrap();
    let record = bytes::Bytes::from_static(br#"{"v":2}"#);
    scene.options.store.make(of_a_newer_node.name(), record, Duration::from_secs(60)).await.unwrap();
    assert_eq!(scene.redeem(&of_a_newer_node, &[], Purpose::Stream).await.unwrap_err(), Denied::Unstored);
    assert_eq!(scene.used(), [1, 0, 0, 0, 2]);
}

#[test]
fn a_query_has_one_ticket_and_an_empty_one_is_none() {
    let ticket = "A".repeat(22);
    let found = |query: &str| in_query(Some(query)).map(|found| found.map(|ticket| ticket.map(|ticket| ticket.text())));
    assert_eq!(found(&format!("channel=a&ticket={ticket}")), Ok(Some(Ok(ticket.clone()))));
    assert_eq!(found("channel=a&ticket="), Ok(None));
    assert_eq!(found("ticket=A"), Ok(Some(Err(Denied::UnknownTicket))));
    assert_eq!(found(&format!("ticket={ticket}&ticket=A")).unwrap_err().kind, Kind::InvalidRequest);
    assert!(in_query(None).unwrap().is_none());
}
