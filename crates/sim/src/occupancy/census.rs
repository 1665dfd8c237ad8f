//! Readers of one channel that nobody else reads, so that it is known how many there are; and what nodes say of it.
//!
//! While everything breaks they come and go. Afterwards everybody has to say the truth: soon when the faults are over, and from then on within
//! three seconds, whoever comes or leaves and whichever node dies.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep};

use super::count_request::{Count, ask};
use super::member::Member;
use crate::rng::Rng;
use crate::world::World;

/// The channel.
const CHANNEL: &str = "census";

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));

/// Readers at a time while everything breaks.
const MEMBERS_MAX: usize = 6;

/// How long a change may take until everybody says the truth.
const WITHIN: Duration = Duration::from_secs(3);

/// The same from the end of the faults: until the nodes have found Redis again, beside that.
const SETTLED: Duration = Duration::from_secs(20);
/// For how long a round that was held up by a fault puts the next one off: four times as long as it took. So what is right when the faults
/// are over may be so by chance.
const PUT_OFF: Duration = Duration::from_secs(20);

/// How long a stream may take to begin when everything works.
const BEGUN: Duration = Duration::from_secs(10);

/// The time between two looks, and in how many more everybody has to say the truth once all do.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS_AFTERWARDS: usize = 20;

/// What came of counting, beside the verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OccupancyCounts {
    /// Readers that came to the channel on purpose.
    pub readers: usize,
    /// Changes after which everybody had to say the truth.
    pub changes: usize,
    /// Questions that nodes could not answer while everything broke.
    pub unknown: usize,
    /// The latest look after such a change at which somebody said something else, in milliseconds.
    pub longest_ms: u64,
}

/// The readers, by when they came.
#[derive(Default)]
pub(crate) struct Census {
    members: RefCell<Vec<(Rc<Member>, AbortHandle)>>,
    tasks: RefCell<JoinSet<()>>,
    counts: Cell<OccupancyCounts>,
    breaches: RefCell<Vec<String>>,
}

impl Census {
    /// Lets readers come and go until it is dropped. The readers stay then.
    pub(crate) async fn come_and_go(self: Rc<Self>, world: Rc<World>, mut rng: Rng) {
        let pace = [200, 1_000, 4_000][rng.below(3)];
        loop {
            sleep(rng.up_to_ms(pace)).await;
            let node = rng.below(world.nodes.len());
            match rng.below(4) {
                0 | 1 => self.enter(&world, node, rng.chance(500)),
                2 => self.leave(&mut rng),
                _ => match ask(&world, node, CHANNEL, ADDRESS).await {
                    Ok(Count::Unknown) => self.count(|counts| counts.unknown += 1),
                    Ok(_) => {}
                    Err(wrong) => self.blame(wrong),
                },
            }
        }
    }

    /// Waits until all say the truth when the faults are over.
    pub(crate) async fn settle(&self, world: &World) {
        // What a dead node has said lasts until a clock that was set back has caught up.
        let behind = world.redis.lock().clock_is_behind();
        sleep(behind + PUT_OFF).await;
        self.expect(world, "since the faults are over", SETTLED).await;
    }

    /// Changes what is true, again and again, and expects everybody to say it soon.
    pub(crate) async fn judge(&self, world: &Rc<World>, rng: &mut Rng) {
        for node in world.nodes.iter().filter(|node| node.drains()) {
            node.start(rng.number());
        }
        for node in 0..world.nodes.len() {
            (0..1 + rng.below(3)).for_each(|number| self.enter_now(world, node, number == 0));
        }
        self.all_have_begun(world).await;
        self.expect_soon(world, "since readers came").await;
        (0..1 + rng.below(3)).for_each(|_| self.leave(rng));
        self.expect_soon(world, "since readers left").await;
        let node = rng.below(world.nodes.len());
        world.trace.note(|| format!("node {node} is killed for the census"));
        world.nodes[node].kill();
        self.expect_soon(world, &format!("since node {node} died")).await;
        world.nodes[node].start(rng.number());
        self.enter_now(world, node, true);
        self.all_have_begun(world).await;
        self.expect_soon(world, &format!("since a reader came to node {node}, which is back")).await;
        for channel in &world.channels {
            for node in 0..world.nodes.len() {
                let said = ask(world, node, channel.as_str(), ADDRESS).await;
                if said != Ok(Count::Readers(0)) {
                    self.blame(format!("node {node} says {said:?} of {channel}, which nobody reads any more"));
                }
            }
        }
    }

    /// What came of it, and what was wrong.
    pub(crate) fn verdict(&self) -> (OccupancyCounts, Vec<String>) {
        self.members.borrow().iter().for_each(|(member, _)| self.take_wrong(member));
        (self.counts.get(), self.breaches.take())
    }

    /// One more comes to a node, unless there are enough.
    fn enter(&self, world: &Rc<World>, node: usize, asks: bool) {
        self.forget_gone();
        if self.members.borrow().len() < MEMBERS_MAX {
            self.enter_now(world, node, asks);
        }
    }

    fn enter_now(&self, world: &Rc<World>, node: usize, asks: bool) {
        let Some(end) = world.nodes[node].connect(65_536, ADDRESS) else { return };
        let member = Member::new(CHANNEL, node, asks);
        let task = self.tasks.borrow_mut().spawn_local(Rc::clone(&member).read(Rc::clone(world), end));
        self.members.borrow_mut().push((member, task));
        self.count(|counts| counts.readers += 1);
    }

    /// One leaves, if there is any.
    fn leave(&self, rng: &mut Rng) {
        self.forget_gone();
        let mut members = self.members.borrow_mut();
        if !members.is_empty() {
            let one = rng.below(members.len());
            let (member, task) = members.remove(one);
            self.take_wrong(&member);
            task.abort();
        }
    }

    /// Forgets those whose streams have ended.
    fn forget_gone(&self) {
        let mut members = self.members.borrow_mut();
        members.iter().filter(|(member, _)| member.is_over()).for_each(|(member, _)| self.take_wrong(member));
        members.retain(|(member, _)| !member.is_over());
    }

    fn take_wrong(&self, member: &Member) {
        let wrong = member.take_wrong();
        wrong.iter().for_each(|wrong| self.blame(format!("a reader of {CHANNEL} on node {} {wrong}", member.node)));
    }

    /// Waits until nobody waits for a stream.
    async fn all_have_begun(&self, world: &World) {
        let until = Instant::now() + BEGUN;
        while self.members.borrow().iter().any(|(member, _)| member.waits()) {
            if Instant::now() >= until {
                self.blame(format!("a reader of {CHANNEL} has no stream after {BEGUN:?}"));
                return;
            }
            world.trace.note(|| "a reader waits for its stream".to_owned());
            sleep(LOOK).await;
        }
    }

    /// Everybody says the truth within [`WITHIN`], and how long that takes counts: nothing but the counting itself holds it up.
    async fn expect_soon(&self, world: &World, since: &str) {
        let Some(took) = self.expect(world, since, WITHIN).await else { return };
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.count(|counts| counts.longest_ms = counts.longest_ms.max(took));
    }

    /// Everybody says the truth within this time, and goes on doing so. Returns how long it took; `None`: somebody is blamed.
    async fn expect(&self, world: &World, since: &str, within: Duration) -> Option<Duration> {
        let began = Instant::now();
        // Whoever has left, or was killed, is gone.
        sleep(Duration::from_millis(1)).await;
        self.count(|counts| counts.changes += 1);
        let (mut right_looks, mut took) = (0, Duration::ZERO);
        while right_looks <= LOOKS_AFTERWARDS {
            match self.wrong(world).await {
                None => right_looks += 1,
                Some(wrong) if began.elapsed() >= within => {
                    self.blame(format!("{since}, {:?}: {wrong}", began.elapsed()));
                    return None;
                }
                // What was true by chance, or of old, may be wrong for a moment until all is known.
                Some(_) => {
                    right_looks = 0;
                    took = began.elapsed();
                }
            }
            sleep(LOOK).await;
        }
        world.trace.note(|| format!("all say how many read {CHANNEL}: {since}, {took:?}"));
        Some(took)
    }

    /// Who does not say the truth.
    async fn wrong(&self, world: &World) -> Option<String> {
        for node in 0..world.nodes.len() {
            let said = ask(world, node, CHANNEL, ADDRESS).await;
            let readers = self.readers();
            if said != Ok(Count::NoNode) && said != Ok(Count::Readers(readers)) {
                return Some(format!("node {node} says {said:?}, and there are {readers}"));
            }
        }
        let readers = self.readers();
        let members = self.members.borrow();
        let is_wrong = |member: &&Rc<Member>| member.reads() && member.told().is_some_and(|told| told != Some(readers));
        let wrong = members.iter().map(|(member, _)| member).find(is_wrong)?;
        Some(format!("a reader on node {} was told {:?}, and there are {readers}", wrong.node, wrong.told().flatten()))
    }

    /// How many there are.
    fn readers(&self) -> u64 {
        self.members.borrow().iter().filter(|(member, _)| member.reads()).count() as u64
    }

    fn blame(&self, what: String) {
        self.breaches.borrow_mut().push(what);
    }

    fn count(&self, count: impl FnOnce(&mut OccupancyCounts)) {
        let mut counts = self.counts.get();
        count(&mut counts);
        self.counts.set(counts);
    }
}
