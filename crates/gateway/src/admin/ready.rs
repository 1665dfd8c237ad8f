//! Health: what a user would get, not the state of a TCP connection. Three questions, from the same facts:
//!
//! | asked | by | true while |
//! |---|---|---|
//! | `/readyz` | alerts, people | events reach clients: both proofs are recent, no thread is stuck, the node does not drain |
//! | `/readyz?accept=1` | balancers | it serves or refuses politely: no thread is stuck, the node does not drain. What ails the store ails all nodes, and says nothing about one of them |
//! | `/livez` | what starts processes again | no thread is stuck |

use std::fmt;
use std::time::Duration;

use fanfare_server::RevocationsUnknown;
use serde_json::{Value, json};

/// A way through the store, proven again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Age of the last time that it worked; `None` before the first.
    pub age: Option<Duration>,
    /// What Redis or the network said last, if it said anything that is still true.
    pub error: Option<String>,
}

/// What health is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether the node drains.
    pub draining: bool,
    /// The threads that are stuck, and for how long nothing was seen of them.
    pub stuck: Vec<(&'static str, Duration)>,
    /// A message's way around the Pub/Sub path.
    pub feed: Proof,
    /// A read of a stream.
    pub archive: Proof,
    /// Why nobody gets anything by a token, if so.
    pub revocations: Option<RevocationsUnknown>,
    /// The oldest proof that counts: `admin.ready_probe_age`.
    pub limit: Duration,
}

/// One of the two proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// [`Facts::feed`].
    Feed,
    /// [`Facts::archive`].
    Archive,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Feed => "round trip through Redis Pub/Sub",
            Self::Archive => "read of a stream",
        }
    }
}

/// Why a node is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It is draining.
    Draining,
    /// A thread takes no turns.
    Stuck {
        /// Which.
        thread: &'static str,
        /// For how long nothing was seen of it.
        silence: Duration,
    },
    /// It has never worked since the node started.
    NeverProven {
        /// What.
        way: Way,
        /// What Redis or the network said last, if anything.
        detail: Option<String>,
    },
    /// The last proof is too old.
    Stale {
        /// Of what.
        way: Way,
        /// Its age.
        age: Duration,
        /// The oldest that counts.
        limit: Duration,
        /// What Redis or the network said last, if anything.
        detail: Option<String>,
    },
    /// It does not know what is revoked.
    Revocations(RevocationsUnknown),
}

impl Unready {
    /// Whether it is a reason to send clients elsewhere: nobody would even refuse them, or this node alone is concerned.
    #[must_use]
    pub const fn keeps_clients_away(&self) -> bool {
        matches!(self, Self::Draining | Self::Stuck { .. })
    }
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = match self {
            Self::Draining => return f.write_str("draining"),
            Self::Stuck { thread, silence } => {
                return write!(f, "the thread {thread} has taken no turn for {:.0} s", silence.as_secs_f64());
            }
            Self::Revocations(unknown) => return unknown.fmt(f),
            Self::NeverProven { way, detail } => {
                write!(f, "no {} yet", way.name())?;
                detail
            }
            Self::Stale { way, age, limit, detail } => {
                let (age, limit) = (age.as_secs_f64(), limit.as_secs_f64());
                write!(f, "the last {} was {age:.1} s ago, more than {limit:.1} s", way.name())?;
                detail
            }
        };
        detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Empty when the node is ready.
    pub reasons: Vec<Unready>,
    /// Age of the last round trip through the Pub/Sub path, if there was one.
    pub probe_age: Option<Duration>,
    /// Age of the last read of a stream, if there was one.
    pub read_age: Option<Duration>,
}

impl Health {
    /// From the facts.
    #[must_use]
    pub fn judge(facts: Facts) -> Self {
        let Facts { draining, stuck, feed, archive, revocations, limit } = facts;
        let (probe_age, read_age) = (feed.age, archive.age);
        let mut reasons = Vec::new();
        if draining {
            reasons.push(Unready::Draining);
        }
        reasons.extend(stuck.into_iter().map(|(thread, silence)| Unready::Stuck { thread, silence }));
        for (way, Proof { age, error: detail }) in [(Way::Feed, feed), (Way::Archive, archive)] {
            match age {
                None => reasons.push(Unready::NeverProven { way, detail }),
                Some(age) if age > limit => reasons.push(Unready::Stale { way, age, limit, detail }),
                Some(_) => {}
            }
        }
        reasons.extend(revocations.map(Unready::Revocations));
        Self { reasons, probe_age, read_age }
    }

    /// Whether a client would get its events here.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Whether a balancer may send clients here: they are served, or refused politely.
    #[must_use]
    pub fn accepts(&self) -> bool {
        !self.reasons.iter().any(Unready::keeps_clients_away)
    }

    /// Whether every thread takes turns.
    #[must_use]
    pub fn alive(&self) -> bool {
        !self.reasons.iter().any(|reason| matches!(reason, Unready::Stuck { .. }))
    }

    /// What is wrong with a way through the store; `None`: it is proven.
    fn reason_of(&self, asked: Way) -> Option<String> {
        let is_about = |reason: &&Unready| matches!(reason, Unready::NeverProven { way, .. } | Unready::Stale { way, .. } if *way == asked);
        self.reasons.iter().find(is_about).map(ToString::to_string)
    }

    /// As `/readyz` shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ready": self.ready(),
            "accepts": self.accepts(),
            "reasons": self.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "feed_reason": self.reason_of(Way::Feed),
            "archive_reason": self.reason_of(Way::Archive),
            "probe_age_seconds": self.probe_age.map(|age| age.as_secs_f64()),
            "read_age_seconds": self.read_age.map(|age| age.as_secs_f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    fn proof(age: Duration, error: Option<&str>) -> Proof {
        Proof { age: Some(age), error: error.map(str::to_owned) }
    }

    fn well() -> Facts {
        let recent = proof(LIMIT, Some("connection refused"));
        let (feed, archive) = (recent.clone(), recent);
        Facts { draining: false, stuck: Vec::new(), feed, archive, revocations: None, limit: LIMIT }
    }

    fn answers(facts: Facts) -> (bool, bool, bool) {
        let health = Health::judge(facts);
        (health.ready(), health.accepts(), health.alive())
    }

    #[test]
    fn recent_proofs_make_ready_whatever_went_wrong_before() {
        assert_eq!(answers(well()), (true, true, true));
    }

    #[test]
    fn an_old_proof_does_not_and_says_how_old_and_why() {
        let health =
            Health::judge(Facts { feed: proof(Duration::from_millis(15_500), Some("probe timed out")), ..well() });
        assert!(!health.ready());
        let said = "the last round trip through Redis Pub/Sub was 15.5 s ago, more than 15.0 s: probe timed out";
        assert_eq!(health.to_json()["reasons"][0], said);
    }

    // Seen to be ready when only Pub/Sub is asked.
    #[test]
    fn a_store_whose_streams_cannot_be_read_is_told_in_its_own_words_and_empties_no_fleet() {
        let refused = proof(LIMIT * 2, Some("the archive refuses: NOPERM this user has no permissions to run 'multi'"));
        let health = Health::judge(Facts { archive: refused, ..well() });
        assert!(!health.ready() && health.accepts() && health.alive());
        let reason = health.to_json()["reasons"][0].to_string();
        assert!(reason.contains("the last read of a stream was 30.0 s ago") && reason.contains("NOPERM"), "{reason}");
        assert_eq!((health.reason_of(Way::Feed), health.reason_of(Way::Archive).is_some()), (None, true));
    }

    #[test]
    fn without_any_proof_nothing_is_ready() {
        assert_eq!(answers(Facts { feed: Proof::default(), ..well() }), (false, true, true));
        assert_eq!(answers(Facts { archive: Proof::default(), ..well() }), (false, true, true));
    }

    // All nodes of a Redis that evicts are in the same position: it empties no fleet.
    #[test]
    fn who_does_not_know_what_is_revoked_is_not_ready_and_refuses_politely() {
        let facts = Facts { revocations: Some(RevocationsUnknown::MayVanish), ..well() };
        assert_eq!(answers(facts.clone()), (false, true, true));
        assert!(Health::judge(facts).reasons[0].to_string().contains("maxmemory-policy allkeys-*"));
        let refused = RevocationsUnknown::NotRead(Some("NOPERM".to_owned()));
        let facts = Facts { revocations: Some(refused), ..well() };
        assert!(Health::judge(facts).to_json()["reasons"][0].as_str().unwrap().ends_with(": NOPERM"));
    }

    #[test]
    fn a_draining_node_takes_no_clients_however_well_it_is() {
        assert_eq!(answers(Facts { draining: true, ..well() }), (false, false, true));
    }

    #[test]
    fn a_stuck_thread_is_named_and_answers_all_three_questions() {
        let facts = Facts { stuck: vec![("ingest", LIMIT * 2)], ..well() };
        assert_eq!(answers(facts.clone()), (false, false, false));
        assert_eq!(Health::judge(facts).reasons[0].to_string(), "the thread ingest has taken no turn for 30 s");
    }
}
