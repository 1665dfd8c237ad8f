//! What is revoked: the set in force.
//!
//! A revocation hits grants that were given until it was made, and forgets itself when each of them is over by itself: no token lives
//! longer than `auth.max_token_lifetime`. So the set is as large as what is revoked in that time, and bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::REVOCATIONS_MAX;

use crate::grant::Grant;
use crate::revocation_target::RevocationTarget;
use crate::unix_seconds::UnixSeconds;

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub target: RevocationTarget,
    /// When it was.
    pub at: UnixSeconds,
}

/// There are as many revocations as a node holds ([`REVOCATIONS_MAX`]): it cannot know all that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {REVOCATIONS_MAX} revocations in force")]
pub struct TooManyRevocations;

/// When something was revoked last, and the number of that revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revoked {
    number: u64,
    at: UnixSeconds,
}

/// By the name of an issuer, then by a name that means something with this issuer only.
type ByName = HashMap<Option<Arc<str>>, HashMap<Arc<str>, Revoked>>;

/// The revocations in force. Each has a number; a later one of the same thing has a later number and takes its place.
#[derive(Debug)]
pub struct Revocations {
    /// In seconds.
    leeway: u64,
    /// How long a revocation is in force, in seconds.
    lasts: u64,
    subjects: ByName,
    token_ids: ByName,
    channels: HashMap<ChannelName, Revoked>,
    in_order: BTreeMap<u64, Revocation>,
    /// The number of the latest one; 0: there was none yet.
    latest: u64,
}

impl Revocations {
    /// None yet. Of tokens that live for `max_token_lifetime` at most, by clocks that are `leeway` apart.
    #[must_use]
    pub fn new(max_token_lifetime: Duration, leeway: Duration) -> Self {
        Self {
            leeway: leeway.as_secs(),
            lasts: Self::lasts(max_token_lifetime, leeway).as_secs(),
            subjects: HashMap::new(),
            token_ids: HashMap::new(),
            channels: HashMap::new(),
            in_order: BTreeMap::new(),
            latest: 0,
        }
    }

    /// How long a revocation is in force: the token that it hits may have been given `leeway` later by its own clock, lives as long as it may, and
    /// is taken for `leeway` more.
    #[must_use]
    pub fn lasts(max_token_lifetime: Duration, leeway: Duration) -> Duration {
        max_token_lifetime.saturating_add(leeway.saturating_mul(2))
    }

    /// Adds one. What is out of force already is passed over.
    ///
    /// # Errors
    /// There is no room: the caller has to do without what it does not know.
    pub fn insert(&mut self, revocation: Revocation, now: UnixSeconds) -> Result<(), TooManyRevocations> {
        self.forget_old(now);
        if self.is_out_of_force(revocation.at, now) {
            return Ok(());
        }
        let known = self.revoked(&revocation.target);
        // Read again, as all are when the log is: a new number would have every thread look for its sessions once more.
        if known.is_some_and(|known| known.at >= revocation.at) {
            return Ok(());
        }
        if known.is_none() && self.in_order.len() >= REVOCATIONS_MAX {
            return Err(TooManyRevocations);
        }
        if let Some(known) = known {
            self.in_order.remove(&known.number);
        }
        self.latest += 1;
        let at = revocation.at;
        let revoked = Revoked { number: self.latest, at };
        let target = self.with_known_issuer(revocation.target);
        match target.clone() {
            RevocationTarget::Subject { issuer, subject } => {
                self.subjects.entry(issuer).or_default().insert(subject, revoked);
            }
            RevocationTarget::Token { issuer, token_id } => {
                self.token_ids.entry(issuer).or_default().insert(token_id, revoked);
            }
            RevocationTarget::Channel(channel) => {
                self.channels.insert(channel, revoked);
            }
        }
        self.in_order.insert(self.latest, Revocation { target, at });
        Ok(())
    }

    /// Whether one of this time can hit nothing any more.
    #[must_use]
    pub fn is_out_of_force(&self, at: UnixSeconds, now: UnixSeconds) -> bool {
        is_old(at, self.lasts, now)
    }

    /// Forgets those that can hit nothing any more.
    pub fn forget_old(&mut self, now: UnixSeconds) {
        while let Some(first) = self.in_order.first_entry().filter(|first| is_old(first.get().at, self.lasts, now)) {
            let Revocation { target, .. } = first.remove();
            match &target {
                RevocationTarget::Subject { issuer, subject } => forget(&mut self.subjects, issuer, subject),
                RevocationTarget::Token { issuer, token_id } => forget(&mut self.token_ids, issuer, token_id),
                RevocationTarget::Channel(channel) => drop(self.channels.remove(channel)),
            }
        }
    }

    /// Whether a grant is revoked, by whatever hits it: for whom it is, which token gave it, or one of the channels that it is used for.
    pub fn hit<'a>(&self, grant: &Grant, channels: impl IntoIterator<Item = &'a ChannelName>) -> bool {
        let of_name = |all: &ByName, name: &Option<Box<str>>| {
            let of_issuer = all.get(&grant.issuer)?;
            of_issuer.get(name.as_deref()?).map(|revoked| revoked.at)
        };
        let mut revoked_at = [of_name(&self.subjects, &grant.subject), of_name(&self.token_ids, &grant.token_id)]
            .into_iter()
            .flatten()
            .chain(channels.into_iter().filter_map(|channel| self.channels.get(channel)).map(|revoked| revoked.at));
        revoked_at.any(|at| self.reaches(at, grant.issued_at))
    }

    /// Whether a revocation of this time is one of grants that were given then. A token that does not say when may be as old as any.
    #[must_use]
    pub fn reaches(&self, revoked_at: UnixSeconds, issued_at: Option<UnixSeconds>) -> bool {
        issued_at.is_none_or(|issued_at| issued_at.0 <= revoked_at.0.saturating_add(self.leeway))
    }

    /// Those that came after the one with this number, in order, with their numbers.
    pub fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Revocation)> {
        self.in_order.range(number.saturating_add(1)..).map(|(number, revocation)| (*number, revocation))
    }

    /// The number of the latest one, also if it is out of force; 0: there was none.
    #[must_use]
    pub const fn latest(&self) -> u64 {
        self.latest
    }

    /// How many are in force, but for what [`Self::forget_old`] would forget.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    fn revoked(&self, target: &RevocationTarget) -> Option<Revoked> {
        let of_name = |all: &ByName, issuer: &Option<Arc<str>>, name: &str| all.get(issuer)?.get(name).copied();
        match target {
            RevocationTarget::Subject { issuer, subject } => of_name(&self.subjects, issuer, subject),
            RevocationTarget::Token { issuer, token_id } => of_name(&self.token_ids, issuer, token_id),
            RevocationTarget::Channel(channel) => self.channels.get(channel).copied(),
        }
    }

    /// The same with the name of its issuer that is here already: there are few issuers, and each has a long name.
    fn with_known_issuer(&self, mut target: RevocationTarget) -> RevocationTarget {
        if let RevocationTarget::Subject { issuer, .. } | RevocationTarget::Token { issuer, .. } = &mut target {
            let known = self.subjects.get_key_value(&*issuer).or_else(|| self.token_ids.get_key_value(&*issuer));
            if let Some((known, _)) = known {
                issuer.clone_from(known);
            }
        }
        target
    }
}

fn is_old(at: UnixSeconds, lasts: u64, now: UnixSeconds) -> bool {
    at.0.saturating_add(lasts) <= now.0
}

fn forget(all: &mut ByName, issuer: &Option<Arc<str>>, name: &str) {
    if let Some(of_issuer) = all.get_mut(issuer) {
        of_issuer.remove(name);
        if of_issuer.is_empty() {
            all.remove(issuer);
        }
    }
}
