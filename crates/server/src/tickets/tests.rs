//! Tickets over the in-process store, whose clock a test moves.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fanfare_log::memory::{MemoryOptions, MemoryStore};
use fanfare_log::{HeldTicket, TicketAnswer, TicketStore};
use fanfare_protocol::PositionError;

use super::*;
use crate::admission::Reason;
use crate::clock::Clock;

/// The node's clock, in seconds. The store's is 100 s behind.
const WALL: u64 = 1_800_000_000;
const STORE: u64 = WALL - 100;

struct Scene {
    tickets: Tickets,
    store: MemoryStore,
    /// Seconds of the node's clock.
    wall: Arc<AtomicU64>,
    /// Seconds of the store's clock.
    now: Arc<AtomicU64>,
    uses: TicketUseCells,
}

fn scene() -> Scene {
    over(|store, _| Arc::new(store), DAY)
}

const DAY: Duration = Duration::from_secs(86_400);

/// Over a store that does something else with what a test's own store holds.
fn over(make: impl FnOnce(MemoryStore, Arc<AtomicU64>) -> Arc<dyn TicketStore>, max_life: Duration) -> Scene {
    let (now, wall) = (Arc::new(AtomicU64::new(STORE)), Arc::new(AtomicU64::new(WALL)));
    let clock = |seconds: &Arc<AtomicU64>| {
        let seconds = Arc::clone(seconds);
        move || seconds.load(Ordering::Relaxed) * 1_000
    };
    let store = MemoryStore::new(MemoryOptions { clock: Arc::new(clock(&now)), ..MemoryOptions::default() });
    let kept = make(store.clone(), Arc::clone(&wall));
    let options = TicketOptions { store: kept, max_life, clock: Clock::from_fn(clock(&wall)) };
    let requests = RequestOptions { channels: 2, ..RequestOptions::default() };
    let tickets = Tickets::new(options, None, &requests, Instant::now());
    Scene { tickets, store, wall, now, uses: TicketUseCells::default() }
}

impl Scene {
    async fn ticket(&self, order: &str) -> Ticket {
        let bounds = TicketBounds { channels: 64, life: DAY };
        let order = TicketOrder::parse(order.as_bytes(), &bounds).unwrap();
        self.tickets.store(order, None).await.unwrap()
    }

    async fn redeem(&self, ticket: &Ticket, named: &[&str], purpose: Purpose) -> Result<Redeemed, Denied> {
        self.redeem_at(client(1), ticket, named, purpose).await
    }

    async fn redeem_at(
        &self,
        client: AddressKey,
        ticket: &Ticket,
        named: &[&str],
        purpose: Purpose,
    ) -> Result<Redeemed, Denied> {
        let named: Vec<_> = named.iter().map(|name| channel(name)).collect();
        let begin = |_: &Grant, _| Ok(());
        let redeemed = self.tickets.redeem(client, Ok(ticket.clone()), &named, purpose, &self.uses, begin).await;
        redeemed.map_err(|unredeemed| match unredeemed {
            Unredeemed::Denied(denied) => denied,
            Unredeemed::Refused(refused) => panic!("{refused:?}"),
        })
    }

    async fn stream(&self, ticket: &Ticket) -> Result<Redeemed, Denied> {
        self.redeem(ticket, &[], Purpose::Stream).await
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn used(&self) -> [u64; 5] {
        TicketUse::ALL.map(|what| self.uses.of(what).get())
    }
}

fn client(number: u8) -> AddressKey {
    AddressKey::of(IpAddr::from([192, 0, 2, number]))
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn end(redeemed: &Redeemed) -> u64 {
    redeemed.grant.expires_at.unwrap().0
}

/// One that nobody made.
fn guess() -> Ticket {
    Ticket::random(UnixSeconds(WALL + 60)).unwrap()
}

// Fails when each use begins a life of its own, and when the life is counted from when the ticket was made.
#[tokio::test]
async fn the_first_use_begins_a_life_that_later_uses_do_not_lengthen() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"],"ttl":60,"lifetime":3600}"#).await;
    scene.pass(59);
    let first = scene.stream(&ticket).await.unwrap();
    assert_eq!((end(&first), first.grant.issued_at), (WALL + 3_600, Some(UnixSeconds(STORE))));
    scene.pass(3_599);
    let last = scene.stream(&ticket).await.unwrap();
    assert_eq!(end(&last), WALL + 1, "by the node's clock, which stands still here");
    scene.pass(1);
    for _ in 0..2 {
        assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::TicketOver);
        scene.pass(3_599);
    }
    scene.pass(1);
    assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::UnknownTicket);
    assert_eq!(scene.used(), [1, 1, 2, 1, 0]);
}

// Fails when whoever comes back after a night is told that there never was such a ticket, and when that costs the store something.
#[tokio::test]
async fn a_ticket_that_has_been_over_for_long_says_so_itself() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"],"ttl":60,"lifetime":3600}"#).await;
    scene.store.set_offline(true);
    // It is over at 3,660 s of the store's clock, of which the node knows that it differs by five minutes at most.
    for (wall, denied) in [(3_859, Denied::Unstored), (3_860, Denied::TicketOver), (30 * 86_400, Denied::TicketOver)] {
        scene.wall.store(WALL + wall, Ordering::Relaxed);
        assert_eq!(scene.stream(&ticket).await.unwrap_err(), denied, "{wall}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_not_used_in_time_is_none_and_a_check_is_no_use() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"],"ttl":60}"#).await;
    let checked = scene.redeem(&ticket, &[], Purpose::Check).await.unwrap();
    assert_eq!(end(&checked), WALL + 3_600);
    scene.pass(60);
    assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::UnknownTicket);
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
    assert!(redeemed.grant.rights.allow(fanfare_auth::Right::Subscribe, &channel("a")));
    let asked = Subscription { channels: vec![channel("b")], ..Subscription::default() };
    let (begun, _) = redeemed.begin(asked);
    assert_eq!((begun.channels, begun.names_channels), (vec![channel("b")], false));
}

#[tokio::test]
async fn a_ticket_says_what_the_url_does_not() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["b","a"],"from":"v"}"#).await;
    let (begun, grant) =
        scene.stream(&ticket).await.unwrap().begin(Subscription { ready: true, ..Subscription::default() });
    assert_eq!(begun.channels, [channel("b"), channel("a")]);
    assert!(begun.names_channels && begun.ready);
    assert_eq!((begun.resume, begun.from), (None, LastEventId::parse("v").ok()));
    assert_eq!(grant.permit(fanfare_auth::Right::Subscribe, &begun.channels), Ok(()));
    // A client that has a place of its own goes on there.
    let own = Some(LastEventId::parse("v"));
    let asked = Subscription { resume: own.clone(), ..Subscription::default() };
    assert_eq!(scene.stream(&ticket).await.unwrap().begin(asked).0.resume, own);
    // The place in a stream of one channel may be another channel's.
    let asked = Subscription { resume: Some(LastEventId::parse("1-0")), ..Subscription::default() };
    assert_eq!(scene.stream(&ticket).await.unwrap().begin(asked).0.resume, Some(Err(PositionError::Malformed)));
}

#[tokio::test]
async fn what_the_store_cannot_say_now_is_not_said_for_good() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a"]}"#).await;
    scene.store.set_offline(true);
    assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::Unstored);
    scene.store.set_offline(false);
    assert!(scene.stream(&ticket).await.is_ok());
    let of_a_newer_node = guess();
    let record = Bytes::from_static(br#"{"v":2}"#);
    scene.store.make(of_a_newer_node.name(), record, Duration::from_secs(60)).await.unwrap();
    assert_eq!(scene.stream(&of_a_newer_node).await.unwrap_err(), Denied::Unstored);
    assert_eq!(scene.used(), [1, 0, 0, 0, 2]);
}

// Fails when a node believes what another one wrote, or what it wrote itself before it was told otherwise.
#[tokio::test]
async fn a_ticket_gives_no_more_than_this_node_lets_one_give() {
    let scene = over(|store, _| Arc::new(store), Duration::from_secs(100));
    let ticket = scene.ticket(r#"{"channels":["a","b","c"],"ttl":60,"lifetime":3600}"#).await;
    scene.pass(40);
    assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::TooManyOfTicket(2));
    let redeemed = scene.redeem(&ticket, &["a", "c"], Purpose::Stream).await.unwrap();
    assert_eq!(end(&redeemed), WALL + 60);
    scene.pass(60);
    assert_eq!(scene.redeem(&ticket, &["a"], Purpose::Stream).await.unwrap_err(), Denied::TicketOver);
}

/// A store that does something before some of its answers.
#[derive(Debug)]
struct Altered {
    store: MemoryStore,
    wall: Arc<AtomicU64>,
    kind: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Another node uses each ticket first, 10 s earlier.
    Second,
    /// Each look takes 5 s.
    Slow,
    /// It never answers.
    Hung,
}

impl TicketStore for Altered {
    fn now_ms(&self) -> TicketAnswer<u64> {
        self.store.now_ms()
    }

    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()> {
        self.store.make(ticket, record, ttl)
    }

    fn find(&self, ticket: TicketName) -> TicketAnswer<HeldTicket> {
        match self.kind {
            Manner::Hung => return Box::pin(std::future::pending()),
            Manner::Slow => drop(self.wall.fetch_add(5, Ordering::Relaxed)),
            Manner::Second => {}
        }
        self.store.find(ticket)
    }

    fn use_first(&self, ticket: TicketName, record: Bytes, keep: Duration) -> TicketAnswer<Bytes> {
        let (store, kind) = (self.store.clone(), self.kind);
        Box::pin(async move {
            if kind == Manner::Second {
                let TicketState::Used(own) = TicketState::read(None, Some(&record)).unwrap() else {
                    panic!("it is one")
                };
                let earlier = own.first_use_ms - 10_000;
                store.use_first(ticket, own.record.used_at(earlier).encode(), keep).await?;
            }
            store.use_first(ticket, record, keep).await
        })
    }
}

fn altered(kind: Manner) -> Scene {
    over(|store, wall| Arc::new(Altered { store, wall, kind }), DAY)
}

// Fails when a node goes by its own first use although another node's came first.
#[tokio::test]
async fn of_two_nodes_that_meet_a_ticket_together_both_go_by_the_first_use_that_was_written() {
    let scene = altered(Manner::Second);
    let ticket = scene.ticket(r#"{"channels":["a"],"lifetime":3600}"#).await;
    scene.pass(30);
    assert_eq!(end(&scene.stream(&ticket).await.unwrap()), WALL + 3_590);
    assert_eq!(scene.used(), [0, 1, 0, 0, 0]);
}

// Fails when the clock is read after the wait: the stream would go on after the ticket's end. And when it is not said that the ticket may
// be good for longer than that.
#[tokio::test]
async fn the_time_in_which_the_store_answers_lengthens_no_ticket_and_ends_none() {
    let scene = altered(Manner::Slow);
    let ticket = scene.ticket(r#"{"channels":["a"],"lifetime":3600}"#).await;
    let slow = scene.stream(&ticket).await.unwrap();
    assert_eq!((end(&slow), slow.ends_early()), (WALL + 3_600, true));
    scene.pass(3_599);
    assert!(
        scene.stream(&ticket).await.unwrap().ends_early(),
        "the store's clock says that it is good for a second yet"
    );
    scene.pass(1);
    assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::TicketOver);
    let prompt = self::scene();
    let ticket = prompt.ticket(r#"{"channels":["a"]}"#).await;
    assert!(!prompt.stream(&ticket).await.unwrap().ends_early());
}

// Fails when a ticket is waited for without an end, or without a bound on those who wait.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_waited_for_by_so_many_and_for_so_long() {
    let scene = altered(Manner::Hung);
    let ticket = scene.ticket(r#"{"channels":["a"]}"#).await;
    let mut waiting: Vec<_> = (0..TICKETS_WAITING_MAX).map(|_| Box::pin(scene.stream(&ticket))).collect();
    for one in &mut waiting {
        assert!(polled_once(one.as_mut()).await.is_none());
    }
    assert_eq!(scene.stream(&ticket).await.unwrap_err(), Denied::Undecided);
    let start = Instant::now();
    for one in waiting {
        assert_eq!(one.await.unwrap_err(), Denied::Unstored);
    }
    assert_eq!(start.elapsed(), RequestOptions::default().decision_timeout);
    assert_eq!(scene.used()[TicketUse::Unasked as usize], TICKETS_WAITING_MAX as u64);
}

/// Polls once.
async fn polled_once<T>(future: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    let mut future = Some(future);
    std::future::poll_fn(|cx| {
        let polled = future.take().map(|future| future.poll(cx));
        std::task::Poll::Ready(match polled {
            Some(std::task::Poll::Ready(value)) => Some(value),
            _ => None,
        })
    })
    .await
}

// Fails when good tickets pay, when those of one address pay for another's, and when what is no ticket at all is counted.
#[tokio::test(start_paused = true)]
async fn who_has_the_store_asked_in_vain_too_often_waits_and_nobody_else_does() {
    let scene = scene();
    let good = scene.ticket(r#"{"channels":["a"]}"#).await;
    for _ in 0..VAIN_TICKETS_AT_ONCE_MAX / 2 {
        assert!(scene.stream(&good).await.is_ok());
        let malformed =
            scene
                .tickets
                .redeem(client(1), Err(Denied::UnknownTicket), &[], Purpose::Stream, &scene.uses, |_, _| Ok(()));
        assert!(matches!(malformed.await, Err(Unredeemed::Denied(Denied::UnknownTicket))));
        // A check of a good one brings no stream either.
        assert!(scene.redeem(&good, &[], Purpose::Check).await.is_ok());
        assert_eq!(scene.stream(&guess()).await.unwrap_err(), Denied::UnknownTicket);
    }
    assert_eq!(scene.stream(&good).await.unwrap_err(), Denied::UncheckedTicket);
    assert!(scene.redeem_at(client(2), &good, &[], Purpose::Stream).await.is_ok());
    tokio::time::advance(VAIN_TICKET_PAUSE).await;
    assert!(scene.stream(&good).await.is_ok(), "one has come back");
    assert!(scene.stream(&good).await.is_ok(), "and is still there");
}

#[test]
fn a_query_has_one_ticket_and_an_empty_one_is_none() {
    let ticket = "A".repeat(27);
    let found = |query: &str| in_query(Some(query)).map(|found| found.map(|ticket| ticket.map(|ticket| ticket.text())));
    assert_eq!(found(&format!("channel=a&ticket={ticket}")), Ok(Some(Ok(ticket.clone()))));
    assert_eq!(found("channel=a&ticket="), Ok(None));
    assert_eq!(found("ticket=A"), Ok(Some(Err(Denied::UnknownTicket))));
    assert_eq!(found(&format!("ticket={ticket}&ticket=A")).unwrap_err().kind, crate::problem::Kind::InvalidRequest);
    assert!(in_query(None).unwrap().is_none());
}

// Fails when the life of a ticket begins with a stream that does not, and when such looks cost a client nothing.
#[tokio::test]
async fn a_client_without_room_for_a_stream_leaves_its_ticket_unused_and_pays_for_the_look() {
    let scene = scene();
    let ticket = scene.ticket(r#"{"channels":["a","b"],"sub":"7"}"#).await;
    let refuse = |grant: &Grant, channels| {
        assert_eq!((grant.subject.as_deref(), channels), (Some("7"), 2));
        Err(Refused { reason: Reason::Rate, retry: Duration::from_secs(5) })
    };
    let redeem = |purpose| scene.tickets.redeem(client(1), Ok(ticket.clone()), &[], purpose, &scene.uses, refuse);
    assert!(matches!(redeem(Purpose::Stream).await, Err(Unredeemed::Refused(_))));
    assert!(redeem(Purpose::Check).await.is_ok(), "who only asks needs no room");
    assert_eq!(scene.store.find(ticket.name()).await.unwrap().used, None);
    scene.pass(30);
    assert!(scene.stream(&ticket).await.is_ok());
    assert!(scene.store.find(ticket.name()).await.unwrap().used.is_some());
    // Some come back meanwhile.
    for _ in 0..10 * VAIN_TICKETS_AT_ONCE_MAX {
        match redeem(Purpose::Stream).await {
            Err(Unredeemed::Denied(Denied::UncheckedTicket)) => return,
            other => assert!(matches!(other, Err(Unredeemed::Refused(_))), "{other:?}"),
        }
    }
    panic!("the looks cost nothing");
}
