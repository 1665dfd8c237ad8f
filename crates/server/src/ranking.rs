//! The channels of a node with the most readers, for operators.
//!
//! Nothing is kept up for it: when somebody asks, each connection thread looks at its channels, in turns with everything else that it does,
//! and offers the few that are read most on the whole node. A channel that belongs to these has a reader on some thread, and is among the
//! first of what that thread offers; so the first of all that is offered are the first of the node.

use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_log::{ChannelReaders, TopChannels};
use fanfare_protocol::limits::{TOP_CHANNELS_PAUSE, TOP_CHANNELS_PER_TURN, TOP_CHANNELS_TIMEOUT};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::core::Core;

/// What a thread has found, and for which question.
#[derive(Debug, Default)]
struct Offer {
    question: u64,
    top: TopChannels,
}

/// The channels of a node with the most readers, found when somebody asks.
#[derive(Debug)]
pub struct Ranking {
    /// The number of the last question; the first is 1.
    questions: watch::Sender<u64>,
    asked_at: Mutex<Option<Instant>>,
    /// One for each connection thread.
    offers: Box<[Mutex<Offer>]>,
    /// Changes with each offer.
    offered: watch::Sender<()>,
}

impl Ranking {
    /// For a node with so many connection threads.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let offers = (0..cores).map(|_| Mutex::default()).collect();
        Self { questions: watch::Sender::new(0), asked_at: Mutex::default(), offers, offered: watch::Sender::new(()) }
    }

    /// The channels with the most readers, at most [`TOP_CHANNELS_MAX`](fanfare_protocol::limits::TOP_CHANNELS_MAX), the one with the most
    /// first. The threads are asked at most once a second, however many ask here; a thread that does not answer in half a second counts
    /// with what it offered last. Cancel-safe.
    pub async fn top(&self) -> Vec<ChannelReaders> {
        let question = self.ask();
        let mut offered = self.offered.subscribe();
        let all = offered.wait_for(|()| self.offers.iter().all(|offer| lock(offer).question >= question));
        // Late or not, what there is is shown.
        let _ = timeout(TOP_CHANNELS_TIMEOUT, all).await;
        let mut top = TopChannels::default();
        self.offers.iter().for_each(|offer| top.merge(&lock(offer).top));
        top.into_channels()
    }

    /// Asks the threads unless they were asked a moment ago. Returns the number of the question to be answered.
    fn ask(&self) -> u64 {
        let (now, mut asked_at) = (Instant::now(), lock(&self.asked_at));
        if asked_at.is_none_or(|then| now.saturating_duration_since(then) >= TOP_CHANNELS_PAUSE) {
            *asked_at = Some(now);
            self.questions.send_modify(|question| *question += 1);
        }
        *self.questions.borrow()
    }

    fn offer(&self, core: usize, offer: Offer) {
        *lock(&self.offers[core]) = offer;
        self.offered.send_replace(());
    }
}

/// Answers for connection thread number `number`, until it is dropped.
pub(crate) async fn answer(core: Rc<Core>, ranking: &Ranking, number: usize) {
    let (mut questions, mut answered) = (ranking.questions.subscribe(), 0);
    loop {
        let asked = questions.wait_for(|question| *question > answered).await.map(|question| *question);
        // The sender is borrowed here: it is never gone.
        let Ok(question) = asked else { return };
        let (mut top, mut from) = (TopChannels::default(), Some(0));
        while let Some(start) = from {
            from = core.log.offer(start, TOP_CHANNELS_PER_TURN, &mut top);
            tokio::task::yield_now().await;
        }
        answered = question;
        ranking.offer(number, Offer { question, top });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanfare_log::memory::MemoryStore;
    use fanfare_log::{Options, Payer};
    use fanfare_protocol::ChannelName;
    use tokio::time::{advance, pause};

    use super::*;
    use crate::scene;

    fn spawn_answers(core: &Rc<Core>, ranking: &Arc<Ranking>, number: usize) {
        let (core, ranking) = (Rc::clone(core), Arc::clone(ranking));
        scene::spawn(async move { answer(core, &ranking, number).await });
    }

    fn shown(top: &[ChannelReaders]) -> Vec<(&str, u32)> {
        top.iter().map(|one| (one.channel.as_str(), one.readers)).collect()
    }

    // Seen to fail when the threads are asked each time, when they are asked once only, and when a question that came before the thread
    // had begun is not answered.
    #[test]
    fn the_threads_are_asked_once_a_second_at_most_and_before_they_have_begun() {
        scene::run(async {
            pause();
            let core = scene::core(&MemoryStore::default(), Options::default());
            let ranking = Arc::new(Ranking::new(1));
            let open = |name: &str| core.log.open(ChannelName::parse(name).unwrap(), None, 0, Payer::NODE).unwrap();
            open("a");
            let start = Instant::now();
            let (top, ()) = tokio::join!(ranking.top(), async { spawn_answers(&core, &ranking, 0) });
            assert_eq!(shown(&top), [("a", 1)]);
            open("b");
            open("b");
            assert_eq!(shown(&ranking.top().await), [("a", 1)], "it was asked just now");
            assert!(Instant::now() - start < TOP_CHANNELS_TIMEOUT);
            advance(TOP_CHANNELS_PAUSE).await;
            assert_eq!(shown(&ranking.top().await), [("b", 2), ("a", 1)]);
        });
    }

    // Seen to hang when there is no limit to the wait.
    #[test]
    fn a_thread_that_does_not_answer_counts_with_what_it_offered_last() {
        scene::run(async {
            pause();
            let core = scene::core(&MemoryStore::default(), Options::default());
            let ranking = Arc::new(Ranking::new(2));
            let held = ChannelName::parse("held").unwrap();
            let mut top = TopChannels::default();
            top.offer(&held, 5);
            ranking.offer(1, Offer { question: 0, top });
            core.log.open(ChannelName::parse("a").unwrap(), None, 0, Payer::NODE).unwrap();
            spawn_answers(&core, &ranking, 0);
            let start = Instant::now();
            assert_eq!(shown(&ranking.top().await), [("held", 5), ("a", 1)]);
            assert!(Instant::now() - start >= TOP_CHANNELS_TIMEOUT);
        });
    }
}
