//! Ends the sessions of a thread whose grants are revoked.

use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use fanfare_auth::Revocation;
use fanfare_protocol::limits::{REVOCATION_WORK_PER_TURN as WORK_PER_TURN, REVOCATIONS_RESET_SPREAD, REVOKED_FAREWELL};
use tokio::time::{Instant, sleep_until};

use crate::carried_out::CarriedOut;
use crate::core::Core;
use crate::end::EndReason;
use crate::known_revocations::KnownRevocations;
use crate::progress::Progress;
use crate::sessions::{SessionSlot, SessionToken};

/// Does so until it is dropped. For each thread of the node.
pub(crate) async fn run(core: Rc<Core>, known: Arc<KnownRevocations>) {
    let mut revoker = Revoker::new(&core, &known);
    loop {
        let now = known.progress().get();
        revoker.catch_up(now).await;
        if revoker.have_some_come_back().await {
            continue;
        }
        tokio::select! {
            biased;
            () = revoker.next_cut() => {
                revoker.cut();
                revoker.give_way().await;
            }
            () = known.progress().differs(now) => {}
        }
    }
}

struct Revoker<'a> {
    core: &'a Core,
    known: &'a KnownRevocations,
    /// The number of the last revocation that the thread has carried out.
    seen: u64,
    /// How often the log had turned out to be another one, when the thread last began to have its sessions come back for it.
    resets: u64,
    /// While it does: behind which one it goes on, if it has come to any.
    doubted: Option<Option<SessionSlot>>,
    /// The sessions that were asked to say farewell, each with when it is cut, in order. Those that are over are here for a moment more.
    asked: VecDeque<(Instant, SessionToken)>,
    /// What was done in this turn, of [`WORK_PER_TURN`].
    work: usize,
}

impl<'a> Revoker<'a> {
    /// Each thread begins with nothing to end: what was revoked before a session began it was judged by.
    fn new(core: &'a Core, known: &'a KnownRevocations) -> Self {
        Self { core, known, seen: 0, resets: 0, doubted: None, asked: VecDeque::new(), work: 0 }
    }

    /// Carries out what is new, then lets the sessions that waited for it go on. If it is not known what is revoked, they wait from now on.
    async fn catch_up(&mut self, progress: Progress) {
        if progress.known_on().is_none() {
            self.core.set_carried_out(CarriedOut { link: None, latest: self.seen });
        }
        while self.seen < progress.latest {
            let some = self.known.after(self.seen, WORK_PER_TURN);
            for (number, revocation) in &some {
                self.revoke(revocation).await;
                self.seen = *number;
            }
            if some.len() < WORK_PER_TURN {
                // The others are out of force.
                self.seen = self.seen.max(progress.latest);
            }
        }
        let carried_out = CarriedOut { link: progress.known_on(), latest: self.seen };
        self.core.set_carried_out(carried_out);
        // Something new makes the rest wait for the next time.
        while carried_out.is_all_of(self.known) {
            let some = self.core.holders.take_held(WORK_PER_TURN);
            if some.is_empty() {
                return;
            }
            some.iter().for_each(|session| self.core.sessions.wake_session(*session));
            self.work += some.len();
            self.give_way().await;
        }
    }

    /// Has some of those who need a grant come back, if the log has turned out to be another one: a ticket is looked up again then, the application
    /// asked again, and a page can come with a fresh token. Returns whether more are to. They are no reason to keep anybody waiting, so what is new
    /// is carried out in between. One that begins meanwhile may be among them.
    async fn have_some_come_back(&mut self) -> bool {
        let resets = self.known.progress().get().resets;
        if self.resets != resets {
            self.resets = resets;
            self.doubted = Some(None);
        }
        let Some(after) = self.doubted.take() else { return false };
        let some = self.core.holders.after(after, WORK_PER_TURN);
        some.iter().for_each(|session| self.core.doubt(*session, REVOCATIONS_RESET_SPREAD));
        self.doubted = some.last().filter(|_| some.len() == WORK_PER_TURN).map(|last| Some(*last));
        self.work += some.len();
        self.give_way().await;
        self.doubted.is_some()
    }

    /// Asks the sessions to say farewell that a revocation hits.
    async fn revoke(&mut self, revocation: &Revocation) {
        self.work += 1;
        let mut after = None;
        loop {
            // One that begins meanwhile is judged by the set, in which this revocation is.
            let some = self.core.holders.of(&revocation.target, after, WORK_PER_TURN);
            for token in self.known.reached(revocation.at, &some) {
                if self.core.sessions.end(token, EndReason::Revoked) {
                    // It is asked once.
                    self.core.holders.remove(token);
                    self.asked.push_back((Instant::now() + REVOKED_FAREWELL, token));
                }
            }
            self.work += some.len();
            self.give_way().await;
            match some.last() {
                Some((last, _)) if some.len() == WORK_PER_TURN => after = Some(*last),
                _ => return,
            }
        }
    }

    /// Lets others have their turn when enough was done in this one. Cuts those whose time has come meanwhile: there may be very much to do.
    async fn give_way(&mut self) {
        while self.work >= WORK_PER_TURN {
            tokio::task::yield_now().await;
            self.work = 0;
            self.cut();
        }
    }

    /// Waits until a session has had the time for its farewell; for ever if none was asked.
    async fn next_cut(&self) {
        match self.asked.front() {
            Some((at, _)) => sleep_until(*at).await,
            None => pending().await,
        }
    }

    /// Cuts those that have had it, as many as there is time for in this turn.
    fn cut(&mut self) {
        let now = Instant::now();
        while self.work < WORK_PER_TURN
            && let Some((_, token)) = self.asked.pop_front_if(|(at, _)| *at <= now)
        {
            self.core.sessions.end(token, EndReason::Cut);
            self.work += 1;
        }
    }
}

#[cfg(test)]
mod tests;
