//! An entry of the log of revocations.

use std::time::Duration;

use crate::revocation_target::{RevocationTarget, TargetUnreadable, members};

/// An entry of the log of revocations: what is revoked, and for how long entries stay there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationEntry {
    /// What is revoked.
    pub target: RevocationTarget,
    /// For how long its writer keeps entries: others compare it with how long they are in force. In whole seconds; `None`: it does not tell.
    pub keep: Option<Duration>,
}

impl RevocationEntry {
    /// The JSON of one object, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut entry = self.target.to_value();
        if let (Some(object), Some(keep)) = (entry.as_object_mut(), self.keep) {
            object.insert("keep".to_owned(), keep.as_secs().into());
        }
        entry.to_string()
    }

    /// What an entry of the log says. Members that are not known are passed over.
    ///
    /// # Errors
    /// It says nothing that is understood here.
    pub fn parse(json: &[u8]) -> Result<Self, TargetUnreadable> {
        let members = members(json)?;
        let keep = members.get("keep").and_then(serde_json::Value::as_u64).map(Duration::from_secs);
        Ok(Self { target: RevocationTarget::from_members(&members)?, keep })
    }
}
