//! What counts as one subject.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

use fanfare_auth::Grant;
use fanfare_log::Random;

/// A subject, of one issuer: a hash that nobody outside can foresee. Two that fall together share what each of them may have, which
/// happens once in 10^19 pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SubjectKey(NonZeroU64);

impl SubjectKey {
    /// For tables of payers.
    pub(crate) const fn key(self) -> NonZeroU64 {
        self.0
    }
}

/// Makes the keys of a node's subjects.
#[derive(Debug)]
pub(super) struct SubjectKeys {
    seed: u64,
}

impl SubjectKeys {
    pub(super) fn new(random: &Random) -> Self {
        Self { seed: random.number() }
    }

    /// Whose a request is. `None`: it needs no grant, or its grant names nobody.
    pub(super) fn of(&self, grant: Option<&Grant>) -> Option<SubjectKey> {
        let grant = grant?;
        let mut hasher = DefaultHasher::new();
        (self.seed, grant.issuer.as_deref(), grant.subject.as_deref()?).hash(&mut hasher);
        Some(SubjectKey(NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when issuers do not count, or who has no subject is one.
    #[test]
    fn a_subject_is_one_of_its_issuer_and_who_has_none_is_nobody() {
        let keys = SubjectKeys::new(&Random::seeded(1));
        let of = |issuer: Option<&str>, subject: Option<&str>| {
            keys.of(Some(&Grant {
                issuer: issuer.map(Into::into),
                subject: subject.map(Into::into),
                ..Grant::default()
            }))
        };
        assert_eq!(of(Some("a"), Some("7")), of(Some("a"), Some("7")));
        for other in [of(Some("b"), Some("7")), of(None, Some("7")), of(Some("a"), Some("8")), of(Some("a7"), Some(""))]
        {
            assert_ne!(of(Some("a"), Some("7")), other);
        }
        assert_eq!((of(Some("a"), None), keys.of(None)), (None, None));
    }
}
