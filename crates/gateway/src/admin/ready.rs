//! Readiness: the age of the last proof that messages get through, not the state of a TCP connection.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// Why a node should get no new connections.
#[derive(Clone, Debug, PartialEq)]
pub enum Unready {
    /// It is draining.
    Draining,
    /// No message has made its way around the Pub/Sub path since the node started.
    NeverProven {
        /// What Redis or the network said last, if anything.
        detail: Option<String>,
    },
    /// The last proof is too old.
    Stale {
        /// Its age.
        age: Duration,
        /// The oldest that counts: `admin.ready_probe_age`.
        limit: Duration,
        /// What Redis or the network said last, if anything.
        detail: Option<String>,
    },
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = match self {
            Self::Draining => return f.write_str("draining"),
            Self::NeverProven { detail } => {
                f.write_str("no round trip through Redis Pub/Sub yet")?;
                detail
            }
            Self::Stale { age, limit, detail } => {
                let (age, limit) = (age.as_secs_f64(), limit.as_secs_f64());
                write!(f, "the last round trip through Redis Pub/Sub was {age:.1} s ago, more than {limit:.1} s")?;
                detail
            }
        };
        detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// What `/readyz` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Empty when the node is ready.
    pub reasons: Vec<Unready>,
    /// Age of the last proof, if there was one.
    pub probe_age: Option<Duration>,
}

impl Health {
    /// From the facts: whether the node drains, the age of the last proof, the oldest that counts, and the last error.
    #[must_use]
    pub fn judge(draining: bool, probe_age: Option<Duration>, limit: Duration, detail: Option<String>) -> Self {
        let mut reasons = Vec::new();
        if draining {
            reasons.push(Unready::Draining);
        }
        match probe_age {
            None => reasons.push(Unready::NeverProven { detail }),
            Some(age) if age > limit => reasons.push(Unready::Stale { age, limit, detail }),
            Some(_) => {}
        }
        Self { reasons, probe_age }
    }

    /// Whether a balancer may send clients here.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.reasons.is_empty()
    }

    /// As `/readyz` shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ready": self.ready(),
            "reasons": self.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "probe_age_seconds": self.probe_age.map(|age| age.as_secs_f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    #[test]
    fn a_recent_proof_makes_ready_whatever_went_wrong_before() {
        let health = Health::judge(false, Some(LIMIT), LIMIT, Some("connection refused".into()));
        assert!(health.ready());
    }

    #[test]
    fn an_old_proof_does_not_and_says_how_old_and_why() {
        let health = Health::judge(false, Some(Duration::from_millis(15_500)), LIMIT, Some("probe timed out".into()));
        assert!(!health.ready());
        let said = "the last round trip through Redis Pub/Sub was 15.5 s ago, more than 15.0 s: probe timed out";
        assert_eq!(health.to_json()["reasons"][0], said);
    }

    #[test]
    fn without_any_proof_nothing_is_ready() {
        assert!(!Health::judge(false, None, LIMIT, None).ready());
    }

    #[test]
    fn a_draining_node_is_not_ready_however_well_it_is() {
        let health = Health::judge(true, Some(Duration::ZERO), LIMIT, None);
        assert_eq!(health.reasons, [Unready::Draining]);
    }
}
