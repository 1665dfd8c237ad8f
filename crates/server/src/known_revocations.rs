//! What a node knows of revocations, for all its threads.
//!
//! One reader follows their log ([`crate::revocation_follower`]) and adds what it finds. Each connection thread hears of the progress and
//! ends its own sessions ([`crate::revoker`]); whoever judges a request asks the set. The order is what makes it safe: the set grows
//! first, then the threads hear of it, and a session that begins is entered in its thread before the set is asked. So none slips through.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use fanfare_auth::{Grant, Revocation, Revocations, Right, TooManyRevocations, UnixSeconds};
use fanfare_log::Hub;
use fanfare_log::stats::{Cell, GapCells};
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{
    REVOCATIONS_MAX, REVOCATIONS_STORE_LOOK, REVOCATIONS_STORE_LOOK_FIRST, REVOCATIONS_WAIT_MAX,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::Clock;
use crate::denied::Denied;
use crate::progress::{Progress, SharedProgress};
use crate::sessions::SessionToken;

/// Whether the store may evict the log.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Vanishing {
    /// It has not been asked yet.
    Unknown,
    /// It says that it may evict anything.
    Possible,
    /// It says that it does not, or does not tell.
    Impossible,
}

/// Why a node does not know what is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevocationsUnknown {
    /// The log has not been read to its end since the node started. What the store says, if it refuses.
    NotRead(Option<String>),
    /// There are more than a node holds.
    TooMany,
    /// The store may evict the log, whatever it holds.
    MayVanish,
    /// The log has not been read to its end since the feed was away, or since something was announced there, or it is not proven that the feed
    /// brings what is announced. What the store says, if it refuses.
    Behind(Option<String>),
}

impl std::fmt::Display for RevocationsUnknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let refused = match self {
            Self::NotRead(refused) => {
                f.write_str("what was revoked has not been read yet, so no token is believed")?;
                refused
            }
            Self::Behind(refused) => {
                f.write_str("what was revoked lately has not been read, so no token is believed")?;
                refused
            }
            Self::TooMany => {
                return write!(f, "more than {REVOCATIONS_MAX} revocations are in force, so no token is believed");
            }
            Self::MayVanish => {
                return f.write_str(
                    "Redis may evict any key (maxmemory-policy allkeys-*), so that revocations could vanish and no token is believed: set \
                     noeviction, or a policy volatile-*",
                );
            }
        };
        refused.as_ref().map_or(Ok(()), |refused| write!(f, ": {refused}"))
    }
}

/// Counters, for operators. Totals since start.
#[derive(Debug, Default)]
pub struct RevocationStats {
    /// Entries that were read and understood.
    pub read: Cell,
    /// Entries of the log that are no revocations.
    pub garbage: Cell,
    /// Entries that this version does not understand.
    pub unknown: Cell,
    /// Entries, among those that were read, whose writer keeps them for another time than they are in force here.
    pub kept_otherwise: Cell,
    /// Places where the log was not contiguous.
    pub gaps: GapCells,
    /// Those, among the trimmed ones, at which something may have gone that is in force.
    pub trimmed_early: Cell,
}

/// The revocations that a node knows, and whether those are all. Shared by all its threads.
#[derive(Debug)]
pub struct KnownRevocations {
    set: RwLock<Revocations>,
    /// How long a revocation is in force.
    lasts: Duration,
    hub: Arc<Hub>,
    clock: Clock,
    progress: SharedProgress,
    /// The number of the latest revocation in the set.
    latest: AtomicU64,
    are_too_many: AtomicBool,
    /// See [`Vanishing`].
    vanishing: AtomicU8,
    /// The number of those in force.
    in_force: AtomicU64,
    /// Why the log cannot be followed at present.
    refused: Mutex<Option<String>>,
    /// Since when the set is not complete, as far as its reader has told or somebody asked.
    incomplete_since: Mutex<Option<Instant>>,
    /// When the log last turned out to be another one than it was; 0: never.
    reset_at: AtomicU64,
    /// How long the set may be called complete, in microseconds since `began`: a while after the last proof that the feed has brought
    /// everything. 0: there was none, or something that arrived is not read in time.
    good_until: AtomicU64,
    began: Instant,
    /// What was counted.
    pub stats: RevocationStats,
}

impl KnownRevocations {
    /// Nothing is known yet: until the log was read, no grant is good. `hub`: of the node's logs.
    #[must_use]
    pub fn new(hub: Arc<Hub>, clock: Clock, max_token_lifetime: Duration, leeway: Duration) -> Self {
        Self {
            set: RwLock::new(Revocations::new(max_token_lifetime, leeway)),
            lasts: Revocations::lasts(max_token_lifetime, leeway),
            hub,
            clock,
            progress: SharedProgress::default(),
            latest: AtomicU64::new(0),
            are_too_many: AtomicBool::new(false),
            vanishing: AtomicU8::new(Vanishing::Unknown as u8),
            in_force: AtomicU64::new(0),
            refused: Mutex::default(),
            incomplete_since: Mutex::default(),
            reset_at: AtomicU64::new(0),
            good_until: AtomicU64::new(0),
            began: Instant::now(),
            stats: RevocationStats::default(),
        }
    }

    /// Why it is not known what is revoked, for what is done at once. Whoever follows a channel waits instead ([`Self::unknown_to_streams`]).
    #[must_use]
    pub fn unknown(&self) -> Option<RevocationsUnknown> {
        self.unknown_to_streams().or_else(|| {
            let is_known = self.is_read() && self.is_proven();
            (!is_known).then(|| RevocationsUnknown::Behind(self.refused()))
        })
    }

    /// Waits until it is known what is revoked, if that is needed for this right and may be known soon; [`REVOCATIONS_WAIT_MAX`] at most. A
    /// moment in which nothing proves that the feed brings everything is no reason to refuse anybody. Cancel-safe.
    pub(crate) async fn settled(&self, right: Right) {
        let deadline = Instant::now() + REVOCATIONS_WAIT_MAX;
        loop {
            let before = self.progress.get();
            if !self.is_worth_a_wait(right) || timeout_at(deadline, self.progress.differs(before)).await.is_err() {
                return;
            }
        }
    }

    /// See [`Self::settled`].
    pub(crate) fn is_worth_a_wait(&self, right: Right) -> bool {
        right != Right::Subscribe && matches!(self.unknown(), Some(RevocationsUnknown::Behind(_)))
    }

    /// Whether it was proven lately that the feed has brought everything. If not, the set is not complete from now on, until its reader says so
    /// again: whoever waits for that is woken.
    pub(crate) fn is_proven(&self) -> bool {
        let Err(since) = self.proof() else { return true };
        self.note_incomplete(since);
        self.tell(Progress::lapse);
        false
    }

    /// Whether what was proven is good now; otherwise since when it is not.
    fn proof(&self) -> Result<(), Instant> {
        let (now, micros) = (Instant::now(), self.good_until.load(Ordering::Acquire));
        // That there is none says nothing of when the last one was over.
        let good_until = if micros == 0 { now } else { self.began + Duration::from_micros(micros) };
        if now < good_until { Ok(()) } else { Err(good_until) }
    }

    /// Whether the log was read to its end since the feed came up.
    pub(crate) fn is_read(&self) -> bool {
        let link = self.hub.link();
        link.is_some() && self.progress.get().complete_on == link
    }

    /// The same for a stream that is to begin: while the feed is away, or the log is read again after that, it may begin, and gets nothing
    /// of its channels.
    #[must_use]
    pub fn unknown_to_streams(&self) -> Option<RevocationsUnknown> {
        let vanishing = self.vanishing.load(Ordering::Relaxed);
        if vanishing == Vanishing::Possible as u8 {
            Some(RevocationsUnknown::MayVanish)
        } else if self.are_too_many.load(Ordering::Relaxed) {
            Some(RevocationsUnknown::TooMany)
        } else if vanishing == Vanishing::Unknown as u8 || !self.progress.get().was_complete {
            Some(RevocationsUnknown::NotRead(self.refused()))
        } else {
            None
        }
    }

    /// Whether a grant is good for these channels, by all that is known. Nothing else asks that. A stream may begin while it is not known
    /// what was revoked lately: it gets nothing until then.
    ///
    /// # Errors
    /// It is revoked, or it is not known whether it is.
    pub fn still(&self, grant: &Grant, right: Right, channels: &[ChannelName]) -> Result<(), Denied> {
        // Before the set is asked: it grows first, and is called complete then.
        let unknown = if right == Right::Subscribe { self.unknown_to_streams() } else { self.unknown() };
        if self.read().hit(grant, channels) {
            return Err(Denied::Revoked);
        }
        unknown.map_or(Ok(()), |_| Err(Denied::RevocationsUnknown))
    }

    /// The store may evict the log, or does not. Until this was said once, no grant is good.
    pub fn note_may_vanish(&self, may_vanish: bool) {
        let now = if may_vanish { Vanishing::Possible } else { Vanishing::Impossible } as u8;
        if self.vanishing.swap(now, Ordering::Relaxed) == now {
            return;
        }
        if may_vanish {
            tracing::error!("{}", RevocationsUnknown::MayVanish);
        }
        // Threads compare what they have been told: sessions that need a grant wait, or go on.
        self.tell(|progress| {
            progress.may_vanish = may_vanish;
            progress.was_safe |= !may_vanish;
        });
    }

    /// Completes if the first that the store says is that it may evict the log. Such a node is not to start: nobody would be let in by a token.
    /// Cancel-safe.
    pub async fn unsafe_from_the_start(&self) {
        loop {
            let now = self.progress.get();
            match (now.was_safe, now.may_vanish) {
                (false, true) => return,
                (false, false) => self.progress.differs(now).await,
                (true, _) => pending().await,
            }
        }
    }

    /// Asks again and again whether the store says that it may evict any key (`None`: it has not been asked), and notes what it says. Never
    /// completes.
    pub async fn watch_store(&self, evicts_any: impl Fn() -> Option<bool>) {
        loop {
            let said = evicts_any();
            said.into_iter().for_each(|may_vanish| self.note_may_vanish(may_vanish));
            sleep(if said.is_some() { REVOCATIONS_STORE_LOOK } else { REVOCATIONS_STORE_LOOK_FIRST }).await;
        }
    }

    /// How many are in force.
    #[must_use]
    pub fn in_force(&self) -> u64 {
        self.in_force.load(Ordering::Relaxed)
    }

    /// For how long it has not been known what is revoked, as far as that was noticed: since something was announced that could not be read, or
    /// since somebody asked.
    #[must_use]
    pub fn incomplete_for(&self) -> Duration {
        let was_complete = self.unknown().is_none();
        let mut since = self.incomplete_since();
        // Its reader may have told something else before the lock was had: its time is not to be lost.
        let is_complete = was_complete && self.is_read() && self.proof().is_ok();
        if is_complete {
            *since = None;
        }
        if is_complete { Duration::ZERO } else { since.get_or_insert_with(Instant::now).elapsed() }
    }

    /// How often it was not known any more what is revoked, after it had been.
    #[must_use]
    pub fn lapses(&self) -> u64 {
        self.progress.get().lapses
    }

    /// When all grants last came into doubt, because the log turned out to be another one than it was: what had been allowed by then is asked about
    /// again. `None`: never.
    #[must_use]
    pub fn reset_at(&self) -> Option<UnixSeconds> {
        let at = self.reset_at.load(Ordering::Acquire);
        (at != 0).then_some(UnixSeconds(at))
    }

    /// How long a revocation is in force.
    pub(crate) fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Whether a revocation of this time can hit nothing any more.
    pub(crate) fn is_out_of_force(&self, at: UnixSeconds) -> bool {
        self.read().is_out_of_force(at, self.now())
    }

    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.clock.wall_ms() / 1_000)
    }

    /// Adds one that was read.
    pub(crate) fn add(&self, revocation: Revocation) -> Result<(), TooManyRevocations> {
        let now = self.now();
        let mut set = self.write();
        let added = set.insert(revocation, now);
        self.latest.store(set.latest(), Ordering::Release);
        self.in_force.store(set.len() as u64, Ordering::Relaxed);
        added
    }

    /// Forgets what is out of force.
    pub(crate) fn forget_old(&self) {
        let mut set = self.write();
        set.forget_old(self.now());
        self.in_force.store(set.len() as u64, Ordering::Relaxed);
    }

    /// Tells the threads of what was added.
    pub(crate) fn tell_read(&self) -> Progress {
        self.tell(|_| {})
    }

    /// Tells the threads that the log was read to its end: all that there was when this link of the feed came up, and all that was announced
    /// on it before a proof that is good until then.
    pub(crate) fn tell_complete(&self, link: u64, good_until: Instant) -> Progress {
        // Somebody may wait who has found that the last one was over.
        self.is_proven();
        let micros = good_until.saturating_duration_since(self.began).as_micros();
        self.good_until.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Release);
        let told = self.tell(|progress| {
            progress.complete_on = Some(link);
            progress.was_complete = true;
        });
        if self.unknown().is_none() {
            *self.incomplete_since() = None;
        }
        told
    }

    /// Tells the threads that it has not been known since then, on any link, what the log holds. For its reader only, who says when it is known
    /// again: no thread has to have heard of it before it holds its sessions back.
    pub(crate) fn tell_incomplete(&self, since: Instant) -> Progress {
        {
            let mut noted = self.incomplete_since();
            noted.get_or_insert(since);
            // Under the lock: whoever finds no proof finds the time, and does not note its own.
            self.good_until.store(0, Ordering::Release);
        }
        self.tell(Progress::lapse)
    }

    /// Tells the threads that the log is another one than it was: something may have been revoked that nobody knows of any more.
    pub(crate) fn tell_reset(&self) -> Progress {
        self.reset_at.store(self.now().0, Ordering::Release);
        self.tell(|progress| progress.resets += 1)
    }

    fn note_incomplete(&self, since: Instant) {
        self.incomplete_since().get_or_insert(since);
    }

    fn incomplete_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.incomplete_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) -> Progress {
        let latest = self.latest();
        self.progress.change(|progress| {
            // Whoever read it earlier may come here later.
            progress.latest = progress.latest.max(latest);
            change(progress);
        })
    }

    /// There are too many, or not any more.
    pub(crate) fn note_too_many(&self, are_too_many: bool) {
        let were = self.are_too_many.swap(are_too_many, Ordering::Relaxed);
        if are_too_many && !were {
            tracing::error!("{}", RevocationsUnknown::TooMany);
        }
    }

    /// Why the log cannot be followed at present.
    pub(crate) fn note_refused(&self, refused: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of the latest revocation in the set. It grows before anybody is told of it.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// How far the log has been read, and what a thread waits for.
    pub(crate) fn progress(&self) -> &SharedProgress {
        &self.progress
    }

    /// At most so many of those that came after this number, in order, with their numbers.
    pub(crate) fn after(&self, number: u64, most: usize) -> Vec<(u64, Revocation)> {
        let set = self.read();
        set.after(number).take(most).map(|(number, revocation)| (number, revocation.clone())).collect()
    }

    /// Those, of sessions with when their grants were given, that a revocation of this time reaches ([`Revocations::reaches`]).
    pub(crate) fn reached(
        &self,
        revoked_at: UnixSeconds,
        sessions: &[(SessionToken, Option<UnixSeconds>)],
    ) -> Vec<SessionToken> {
        let set = self.read();
        let is_reached = |(_, issued_at): &&(_, _)| set.reaches(revoked_at, *issued_at);
        sessions.iter().filter(is_reached).map(|(token, _)| *token).collect()
    }

    /// See [`Hub::link`].
    pub(crate) fn link(&self) -> Option<u64> {
        self.hub.link()
    }

    // What is done under the lock cannot panic, and leaves the set whole.
    fn read(&self) -> RwLockReadGuard<'_, Revocations> {
        self.set.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Revocations> {
        self.set.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
