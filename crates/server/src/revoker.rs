//! Ends the sessions of a thread whose grants are revoked.

use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use fanfare_auth::Revocation;
use fanfare_protocol::limits::{REVOCATIONS_PER_TURN, REVOKED_FAREWELL};
use tokio::time::{Instant, sleep_until};

use crate::core::Core;
use crate::end::EndReason;
use crate::known_revocations::KnownRevocations;
use crate::progress::Progress;
use crate::sessions::SessionToken;

/// Sessions that are woken or ended before others have their turn.
const SESSIONS_PER_TURN: usize = 64;

/// Does so until it is dropped. For each thread of the node.
pub(crate) async fn run(core: Rc<Core>, known: Arc<KnownRevocations>) {
    // Each thread begins with nothing to end: what was revoked before a session began it was judged by.
    let mut revoker = Revoker { core: &core, known: &known, seen: 0, asked: VecDeque::new() };
    loop {
        let now = known.progress().get();
        revoker.catch_up(now).await;
        tokio::select! {
            biased;
            () = revoker.next_cut() => revoker.cut().await,
            () = known.progress().differs(now) => {}
        }
    }
}

struct Revoker<'a> {
    core: &'a Core,
    known: &'a KnownRevocations,
    /// The number of the last revocation that the thread has carried out.
    seen: u64,
    /// The sessions that were asked to say farewell, each with when it is cut, in order. Those that are over are here for a moment more.
    asked: VecDeque<(Instant, SessionToken)>,
}

impl Revoker<'_> {
    /// Carries out what is new, then lets the sessions that waited for it go on. If it is not known what is revoked, they wait from now on.
    async fn catch_up(&mut self, progress: Progress) {
        if progress.known_on().is_none() {
            self.core.set_carried_out(None);
        }
        while self.seen < progress.latest {
            let some = self.known.after(self.seen, REVOCATIONS_PER_TURN);
            for (number, revocation) in &some {
                self.seen = *number;
                self.revoke(revocation).await;
            }
            if some.len() < REVOCATIONS_PER_TURN {
                // The others are out of force.
                self.seen = self.seen.max(progress.latest);
            }
            self.give_way().await;
        }
        if self.core.set_carried_out(progress.known_on()) {
            for some in self.core.holders.sessions().chunks(SESSIONS_PER_TURN) {
                some.iter().for_each(|session| self.core.sessions.wake_session(*session));
                self.give_way().await;
            }
        }
    }

    /// Asks the sessions to say farewell that a revocation hits.
    async fn revoke(&mut self, revocation: &Revocation) {
        let mut after = None;
        loop {
            // One that begins meanwhile is judged by the set, in which this revocation is.
            let some = self.core.holders.of(&revocation.target, after, SESSIONS_PER_TURN);
            let Some((last, _)) = some.last() else { return };
            after = Some(*last);
            for token in self.known.reached(revocation.at, &some) {
                if self.core.sessions.end(token, EndReason::Revoked) {
                    // It is asked once.
                    self.core.holders.remove(token);
                    self.asked.push_back((Instant::now() + REVOKED_FAREWELL, token));
                }
            }
            self.give_way().await;
        }
    }

    /// Lets others have their turn. Cuts those whose time has come meanwhile: there may be very much to do.
    async fn give_way(&mut self) {
        tokio::task::yield_now().await;
        self.cut().await;
    }

    /// Waits until a session has had the time for its farewell; for ever if none was asked.
    async fn next_cut(&self) {
        match self.asked.front() {
            Some((at, _)) => sleep_until(*at).await,
            None => pending().await,
        }
    }

    /// Cuts those that have had it.
    async fn cut(&mut self) {
        let now = Instant::now();
        let mut count = 0;
        while let Some((_, token)) = self.asked.pop_front_if(|(at, _)| *at <= now) {
            self.core.sessions.end(token, EndReason::Cut);
            count += 1;
            if count % SESSIONS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanfare_auth::{Grant, RevocationTarget, UnixSeconds};
    use fanfare_log::Options;
    use fanfare_log::memory::MemoryStore;

    use super::*;
    use crate::clock::Clock;
    use crate::scene;

    // Seen to fail when those who take no farewell are cut after everything else is done.
    #[test]
    fn a_session_is_cut_in_time_while_very_many_others_are_revoked() {
        scene::run(async {
            let (core, hub) = scene::core_and_hub(&MemoryStore::default(), Options::default());
            let hour = Duration::from_secs(3_600);
            let known = KnownRevocations::new(hub, Clock::system(), hour, Duration::ZERO);
            let token = || core.sessions.token(core.sessions.insert()).unwrap();
            let late = token();
            let issued_at = Some(UnixSeconds(1));
            let crowd = Grant { subject: Some("crowd".into()), issued_at, ..Grant::default() };
            (0..10 * SESSIONS_PER_TURN).for_each(|_| core.holders.insert(token(), &crowd, &[]));
            let now = UnixSeconds(Clock::system().wall_ms() / 1_000);
            known.add(Revocation { target: RevocationTarget::subject(None, "crowd").unwrap(), at: now }).unwrap();
            known.tell_read();
            let asked = VecDeque::from([(Instant::now(), late)]);
            let mut revoker = Revoker { core: &core, known: &known, seen: 0, asked };
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
            assert!(core.holders.sessions().len() > SESSIONS_PER_TURN, "others wait for their farewell");
        });
    }
}
