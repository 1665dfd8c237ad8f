use std::cell::Cell;
use std::time::Duration;

use fanfare_auth::{Grant, RevocationTarget, UnixSeconds};
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Options, Payer};
use fanfare_protocol::ChannelName;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::*;
use crate::answer::Answer;
use crate::clock::Clock;
use crate::core::DeliveryOptions;
use crate::framing::Framing;
use crate::scene::{self, until};
use crate::session::{Subscribe, start};
use crate::subscription::Subscription;

const HOUR: Duration = Duration::from_secs(3_600);

/// A thread on which nobody carries out what is revoked but the test.
struct Scene {
    store: MemoryStore,
    core: Rc<Core>,
    known: Arc<KnownRevocations>,
}

impl Scene {
    /// It is known that nothing is revoked.
    async fn new() -> Self {
        let store = MemoryStore::default();
        // No heartbeat wakes who should be woken.
        let delivery =
            DeliveryOptions { heartbeat: HOUR, user_timeout: 3 * HOUR, stalled: None, ..DeliveryOptions::default() };
        let (core, hub) = scene::core_with(&store, Options::default(), delivery);
        let known = Arc::new(KnownRevocations::new(hub, Clock::system(), HOUR, Duration::ZERO));
        core.set_revocations(Arc::clone(&known));
        known.note_may_vanish(false);
        until(|| known.link().is_some()).await;
        known.tell_complete(known.link().unwrap(), Instant::now() + HOUR);
        Self { store, core, known }
    }

    fn revoker(&self) -> Revoker<'_> {
        Revoker::new(&self.core, &self.known)
    }

    fn revoke(&self, subject: &str) {
        let at = UnixSeconds(Clock::system().wall_ms() / 1_000);
        self.known.add(Revocation { target: target(subject), at }).unwrap();
    }

    /// A stream from its first place on. `None`: of somebody who needs no grant.
    async fn stream(&self, subject: Option<&str>) -> UnixStream {
        let mut client = self.ask(subject);
        read_to(&mut client, "id: ").await;
        read_to(&mut client, "\n\n").await;
        client
    }

    /// The same, of which nothing is done yet.
    fn ask(&self, subject: Option<&str>) -> UnixStream {
        let (client, server) = UnixStream::pair().unwrap();
        let subscribe = Subscribe {
            subscription: Subscription { channels: vec![channel()], ..Subscription::default() },
            payer: Payer::NODE,
            head: Answer::stream(),
            refuse: Box::new(|_| Answer::text("refused")),
            grant: subject.map(|subject| Box::new(grant(subject))),
            permit: (),
        };
        start(&self.core, server, (), Framing::Plain, subscribe);
        client
    }

    fn publish(&self, data: &str) {
        scene::publish(&self.store, &channel(), data.to_owned());
    }
}

fn channel() -> ChannelName {
    ChannelName::parse("a").unwrap()
}

fn target(subject: &str) -> RevocationTarget {
    RevocationTarget::subject(None, subject).unwrap()
}

fn grant(subject: &str) -> Grant {
    Grant { subject: Some(subject.into()), issued_at: Some(UnixSeconds(1)), ..Grant::default() }
}

/// Reads a byte at a time, to the end of this text.
async fn read_to(client: &mut UnixStream, text: &str) -> String {
    let mut seen = String::new();
    while !seen.ends_with(text) {
        let byte = timeout(Duration::from_secs(30), client.read_u8()).await;
        seen.push(byte.unwrap_or_else(|_| panic!("no {text:?} in {seen:?}")).unwrap().into());
    }
    seen
}

async fn rest(client: &mut UnixStream) -> String {
    let mut rest = String::new();
    timeout(Duration::from_secs(30), client.read_to_string(&mut rest)).await.unwrap().unwrap();
    rest
}

fn has_nothing(client: &UnixStream) -> bool {
    matches!(client.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

// Fails when a session looks at the link and its proof alone: the thread may have stood still since something was added. Fails too when who
// waits is not woken.
#[test]
fn what_is_revoked_holds_sessions_back_before_their_thread_has_heard_of_it() {
    scene::run(async {
        let scene = Scene::new().await;
        let mut revoker = scene.revoker();
        revoker.catch_up(scene.known.progress().get()).await;
        let (mut bob, mut eve, mut stranger) =
            (scene.stream(Some("bob")).await, scene.stream(Some("eve")).await, scene.stream(None).await);
        scene.publish("before");
        for client in [&mut bob, &mut eve, &mut stranger] {
            read_to(client, "data: before\n").await;
            read_to(client, "\n\n").await;
        }
        scene.revoke("eve");
        for data in ["first", "second"] {
            scene.publish(data);
            // They have had their turn by then, twice.
            read_to(&mut stranger, &format!("data: {data}\n")).await;
        }
        assert!(has_nothing(&bob) && has_nothing(&eve));
        scene.known.tell_read();
        revoker.catch_up(scene.known.progress().get()).await;
        read_to(&mut bob, "data: second\n").await;
        let rest = rest(&mut eve).await;
        assert!(rest.contains("event: $revoked\n") && !rest.contains("data: first"), "{rest}");
    });
}

// Fails when a thread has to have heard that it is not known any more what is revoked.
#[test]
fn what_is_not_known_any_more_holds_sessions_back_before_their_thread_has_heard_of_it() {
    scene::run(async {
        let scene = Scene::new().await;
        let mut revoker = scene.revoker();
        revoker.catch_up(scene.known.progress().get()).await;
        let (mut bob, mut stranger) = (scene.stream(Some("bob")).await, scene.stream(None).await);
        scene.known.tell_incomplete(Instant::now());
        for data in ["first", "second"] {
            scene.publish(data);
            read_to(&mut stranger, &format!("data: {data}\n")).await;
        }
        assert!(has_nothing(&bob));
        scene.known.tell_complete(scene.known.link().unwrap(), Instant::now() + HOUR);
        revoker.catch_up(scene.known.progress().get()).await;
        read_to(&mut bob, "data: second\n").await;
    });
}

// Seen to fail when others have their turn after each revocation (a pass for each), and when they have none.
#[test]
fn ten_thousand_revocations_take_few_turns_and_others_have_theirs_in_between() {
    const REVOKED: usize = 10_000;
    scene::run(async {
        let scene = Scene::new().await;
        let mut stranger = scene.stream(None).await;
        let holders: Vec<_> = (0..REVOKED)
            .map(|number| {
                let token = scene.core.sessions.token(scene.core.sessions.insert()).unwrap();
                scene.core.holders.insert(token, &grant(&number.to_string()), &[]);
                scene.revoke(&number.to_string());
                token
            })
            .collect();
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        scene::spawn(async move {
            loop {
                tokio::task::yield_now().await;
                counted.set(counted.get() + 1);
            }
        });
        scene.publish("meanwhile");
        let mut revoker = scene.revoker();
        scene.known.tell_read();
        let progress = scene.known.progress().get();
        {
            let mut all = std::pin::pin!(revoker.catch_up(progress));
            tokio::select! {
                biased;
                () = &mut all => panic!("others had to wait for all of it"),
                seen = read_to(&mut stranger, "data: meanwhile\n") => drop(seen),
            }
            all.await;
        }
        let (turns, least) = (turns.get(), 2 * REVOKED / WORK_PER_TURN);
        assert!(turns >= least / 2 && turns <= 2 * least, "{turns} turns, not about {least}");
        let is_asked = |token: &SessionToken| scene.core.sessions.asked(token.slot()).end >= Some(EndReason::Revoked);
        assert!(holders.iter().all(is_asked));
    });
}

// Fails when only the first part of them comes back, when who needs no grant does, and when they do so again for the same reason.
#[test]
fn all_who_need_a_grant_come_back_once_when_the_log_is_not_what_it_was() {
    const HOLDERS: usize = 3 * WORK_PER_TURN;
    scene::run(async {
        let scene = Scene::new().await;
        let Scene { core, known, .. } = &scene;
        let token = || core.sessions.token(core.sessions.insert()).unwrap();
        let stranger = token();
        let holders: Vec<_> = (0..HOLDERS).map(|_| token()).collect();
        holders.iter().for_each(|token| core.holders.insert(*token, &grant("bob"), &[]));
        let mut revoker = scene.revoker();
        assert!(!revoker.have_some_come_back().await && core.expiries.is_empty());
        let spread = u64::try_from(REVOCATIONS_RESET_SPREAD.as_millis()).unwrap();
        known.tell_reset();
        let mut turns = 1;
        while revoker.have_some_come_back().await {
            turns += 1;
        }
        assert_eq!(turns, HOLDERS / WORK_PER_TURN + 1, "others have their turn in between");
        let end = Clock::system().wall_ms() + spread;
        let due = || {
            let mut due = Vec::new();
            core.expiries.take_due(end, usize::MAX, |token, reason| due.push((token, reason)));
            due
        };
        let asked = due();
        assert!(holders.iter().all(|token| asked.contains(&(*token, EndReason::Doubted))));
        assert!(asked.len() == HOLDERS && !asked.iter().any(|(token, _)| *token == stranger));
        assert!(!revoker.have_some_come_back().await && due().is_empty(), "they were asked to");
    });
}

// Fails when it is refused: the client of a ticket would hear that it is over for good.
#[test]
fn a_session_that_has_not_begun_when_its_grant_comes_into_doubt_begins_and_says_farewell() {
    scene::run(async {
        let scene = Scene::new().await;
        scene.revoker().catch_up(scene.known.progress().get()).await;
        let mut bob = scene.ask(Some("bob"));
        assert!(scene.core.sessions.end(scene.core.sessions.tokens()[0], EndReason::Doubted));
        let all = rest(&mut bob).await;
        assert!(all.starts_with("HTTP/1.1 200 ") && all.contains("event: $expired\n") && all.contains("id: "), "{all}");
    });
}

// Seen to fail when those who take no farewell are cut after everything else is done.
#[test]
fn a_session_is_cut_in_time_while_very_many_others_are_revoked() {
    scene::run(async {
        let scene = Scene::new().await;
        let Scene { core, known, .. } = &scene;
        let token = || core.sessions.token(core.sessions.insert()).unwrap();
        let late = token();
        (0..10 * WORK_PER_TURN).for_each(|_| core.holders.insert(token(), &grant("crowd"), &[]));
        scene.revoke("crowd");
        known.tell_read();
        let mut revoker = scene.revoker();
        revoker.asked.push_back((Instant::now(), late));
        let is_cut = async {
            while core.sessions.asked(late.slot()).end != Some(EndReason::Cut) {
                tokio::task::yield_now().await;
            }
        };
        let progress = known.progress().get();
        tokio::select! {
            biased;
            () = revoker.catch_up(progress) => panic!("it was not cut before"),
            () = is_cut => {}
        }
        let wait = core.holders.of(&target("crowd"), None, usize::MAX).len();
        assert!(wait > WORK_PER_TURN, "others wait for their farewell");
    });
}
