//! The sessions of a thread that need a grant, by what a revocation can be about.
//!
//! Nothing of it is in a session, and nothing at all is kept for one that needs no grant. Names are not kept, only hashes of them that nobody
//! outside can foresee: where two names fall together, a session is ended though its grant is good. That happens once in 10^19
//! comparisons, and its client comes back, is judged by the names themselves, and goes on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound::{Excluded, Included, Unbounded};

use fanfare_auth::{Grant, RevocationTarget, UnixSeconds};
use fanfare_log::Random;
use fanfare_protocol::ChannelName;

use crate::sessions::{SessionSlot, SessionToken};

/// A hash of what a revocation can be about.
type Key = u64;

#[derive(Debug, Default)]
struct All {
    /// When the grant was given, by what it can be revoked by.
    by_key: BTreeMap<(Key, SessionToken), Option<UnixSeconds>>,
    keys: BTreeMap<SessionSlot, Box<[Key]>>,
    /// Those that wait until all that is revoked is carried out. In order, so that they are woken in an order that a simulation can repeat.
    held: BTreeSet<SessionSlot>,
}

/// The sessions of a thread that need a grant.
#[derive(Debug)]
pub(crate) struct GrantHolders {
    seed: u64,
    all: RefCell<All>,
}

impl GrantHolders {
    pub(crate) fn new(random: &Random) -> Self {
        Self { seed: random.number(), all: RefCell::default() }
    }

    /// Adds a session whose grant is used for these channels. Once only.
    pub(crate) fn insert(&self, token: SessionToken, grant: &Grant, channels: &[ChannelName]) {
        let subject = grant.subject.as_deref().map(|subject| self.subject(grant.issuer.as_deref(), subject));
        let token_id = grant.token_id.as_deref().map(|id| self.token_id(grant.issuer.as_deref(), id));
        let channels = channels.iter().map(|channel| self.channel(channel));
        let keys: Box<[Key]> = subject.into_iter().chain(token_id).chain(channels).collect();
        let all = &mut *self.all.borrow_mut();
        all.by_key.extend(keys.iter().map(|key| ((*key, token), grant.issued_at)));
        all.keys.insert(token.slot(), keys);
    }

    /// Removes a session that is over, if it is here.
    pub(crate) fn remove(&self, token: SessionToken) {
        let all = &mut *self.all.borrow_mut();
        for key in all.keys.remove(&token.slot()).into_iter().flatten() {
            all.by_key.remove(&(key, token));
        }
        all.held.remove(&token.slot());
    }

    /// Has a session wait for [`Self::take_held`], if it is here: it needs a grant. Returns whether it is.
    pub(crate) fn hold(&self, session: SessionSlot) -> bool {
        let all = &mut *self.all.borrow_mut();
        let is_here = all.keys.contains_key(&session);
        if is_here {
            all.held.insert(session);
        }
        is_here
    }

    /// Sessions that wait, so many at most, for their caller to wake. They do not wait any more.
    pub(crate) fn take_held(&self, most: usize) -> Vec<SessionSlot> {
        let held = &mut self.all.borrow_mut().held;
        std::iter::from_fn(|| held.pop_first()).take(most).collect()
    }

    /// The first sessions that need a grant, in order: at most so many of those after this one.
    pub(crate) fn after(&self, after: Option<SessionSlot>, most: usize) -> Vec<SessionSlot> {
        let from = after.map_or(Unbounded, Excluded);
        self.all.borrow().keys.range((from, Unbounded)).take(most).map(|(session, _)| *session).collect()
    }

    /// The first sessions, in order of their tokens, that something is about, each with when its grant was given: at most so many of those after
    /// this token.
    pub(crate) fn of(
        &self,
        target: &RevocationTarget,
        after: Option<SessionToken>,
        most: usize,
    ) -> Vec<(SessionToken, Option<UnixSeconds>)> {
        let key = match target {
            RevocationTarget::Subject { issuer, subject } => self.subject(issuer.as_deref(), subject),
            RevocationTarget::Token { issuer, token_id } => self.token_id(issuer.as_deref(), token_id),
            RevocationTarget::Channel(channel) => self.channel(channel),
        };
        let from = after.map_or(Included((key, SessionToken::FIRST)), |after| Excluded((key, after)));
        let all = self.all.borrow();
        let found = all.by_key.range((from, Included((key, SessionToken::LAST)))).take(most);
        found.map(|((_, token), issued_at)| (*token, *issued_at)).collect()
    }

    fn subject(&self, issuer: Option<&str>, subject: &str) -> Key {
        self.key(&("subject", issuer, subject))
    }

    fn token_id(&self, issuer: Option<&str>, token_id: &str) -> Key {
        self.key(&("token", issuer, token_id))
    }

    fn channel(&self, channel: &ChannelName) -> Key {
        self.key(&("channel", channel.as_str()))
    }

    fn key(&self, of: &impl Hash) -> Key {
        let mut hasher = DefaultHasher::new();
        (self.seed, of).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Sessions;

    fn grant(subject: &str, token_id: &str) -> Grant {
        let (subject, token_id) = (Some(subject.into()), Some(token_id.into()));
        Grant { issuer: Some("a".into()), subject, token_id, issued_at: Some(UnixSeconds(5)), ..Grant::default() }
    }

    fn channel(name: &str) -> ChannelName {
        ChannelName::parse(name).unwrap()
    }

    // Fails if the issuer does not count, or if a subject, a token and a channel of one name are the same.
    #[test]
    fn a_session_is_found_by_whose_it_is_by_its_token_and_by_its_channels_and_by_nothing_else() {
        let (sessions, holders) = (Sessions::default(), GrantHolders::new(&Random::seeded(1)));
        let tokens: Vec<_> = (0..2).map(|_| sessions.token(sessions.insert()).unwrap()).collect();
        holders.insert(tokens[0], &grant("x", "t"), &[channel("c"), channel("d")]);
        holders.insert(tokens[1], &grant("x", "u"), &[channel("c")]);
        let of =
            |target: &RevocationTarget| holders.of(target, None, 9).iter().map(|(token, _)| *token).collect::<Vec<_>>();
        assert_eq!(of(&RevocationTarget::subject(Some("a"), "x").unwrap()), tokens);
        assert_eq!(of(&RevocationTarget::token(Some("a"), "t").unwrap()), tokens[..1]);
        assert_eq!(of(&RevocationTarget::Channel(channel("d"))), tokens[..1]);
        assert_eq!(of(&RevocationTarget::Channel(channel("c"))), tokens);
        for other in [
            RevocationTarget::subject(Some("b"), "x").unwrap(),
            RevocationTarget::subject(None, "x").unwrap(),
            RevocationTarget::subject(Some("a"), "t").unwrap(),
            RevocationTarget::token(Some("a"), "x").unwrap(),
            RevocationTarget::Channel(channel("x")),
        ] {
            assert!(of(&other).is_empty(), "{other:?}");
        }
        assert_eq!(holders.of(&RevocationTarget::Channel(channel("d")), None, 9)[0].1, Some(UnixSeconds(5)));
    }

    // Fails when a part begins with the last of the one before, or with another key's.
    #[test]
    fn the_sessions_of_a_channel_are_found_in_parts() {
        let (sessions, holders) = (Sessions::default(), GrantHolders::new(&Random::seeded(1)));
        for number in 0..7 {
            let token = sessions.token(sessions.insert()).unwrap();
            holders.insert(token, &grant(&number.to_string(), "t"), &[channel("c"), channel("d")]);
        }
        let target = RevocationTarget::Channel(channel("c"));
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let part = holders.of(&target, after, 3);
            assert!(part.len() <= 3);
            let Some((last, _)) = part.last() else { break };
            after = Some(*last);
            found.extend(part);
        }
        assert_eq!(found, holders.of(&target, None, 9));
        assert_eq!(found.len(), 7);
    }

    // Fails when a part begins with the last of the one before, and when who needs no grant is among them.
    #[test]
    fn all_that_need_a_grant_are_found_in_parts() {
        let (sessions, holders) = (Sessions::default(), GrantHolders::new(&Random::seeded(1)));
        let slots: Vec<_> = (0..8).map(|_| sessions.insert()).collect();
        for slot in &slots[1..] {
            holders.insert(sessions.token(*slot).unwrap(), &grant("x", "t"), &[]);
        }
        assert_eq!(holders.after(None, 3), slots[1..4]);
        assert_eq!(holders.after(Some(slots[3]), 3), slots[4..7]);
        assert_eq!(holders.after(Some(slots[6]), 3), slots[7..]);
        assert!(holders.after(Some(slots[7]), 3).is_empty());
    }

    // Fails when the order keeps who has left.
    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let (sessions, holders) = (Sessions::default(), GrantHolders::new(&Random::seeded(1)));
        for number in 0..1_000 {
            let token = sessions.token(sessions.insert()).unwrap();
            holders.insert(token, &grant(&number.to_string(), "t"), &[channel("c")]);
            assert!(holders.hold(token.slot()));
            holders.remove(token);
            assert!(!holders.hold(token.slot()));
            sessions.remove(token.slot());
        }
        let all = holders.all.borrow();
        assert!(all.by_key.is_empty() && all.keys.is_empty() && all.held.is_empty());
    }

    // Fails when who is held twice is woken twice, and when who needs no grant is held.
    #[test]
    fn who_is_held_is_handed_out_once_in_parts() {
        let (sessions, holders) = (Sessions::default(), GrantHolders::new(&Random::seeded(1)));
        let slots: Vec<_> = (0..5).map(|_| sessions.insert()).collect();
        for slot in &slots[1..] {
            holders.insert(sessions.token(*slot).unwrap(), &grant("x", "t"), &[]);
        }
        let held = |slot: &SessionSlot| holders.hold(*slot);
        let are_held: Vec<_> = slots.iter().chain(&slots).map(held).collect();
        assert_eq!(are_held, [[false, true, true, true, true]; 2].concat());
        assert_eq!((holders.take_held(3), holders.take_held(3)), (slots[1..4].to_vec(), slots[4..].to_vec()));
        assert!(holders.take_held(3).is_empty());
        assert!(holders.hold(slots[1]), "again");
    }
}
