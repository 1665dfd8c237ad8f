//! What operators ask to be revoked, on the command line and on the admin listener.

use std::time::Duration;

use fanfare_auth::{RevocationTarget, Revocations};
use fanfare_log::AppendRequest;
use fanfare_protocol::ChannelName;
use fanfare_protocol::LogName;
use fanfare_protocol::limits::REVOCATIONS_MAX;
use serde_json::{Map, Value};

use crate::config::Config;

/// One thing that is to be revoked, as somebody names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revoke {
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) channel: Option<String>,
}

impl Revoke {
    /// From a JSON object. The error says what was expected.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let members: Map<String, Value> = serde_json::from_slice(json).map_err(|_| expected())?;
        let mut revoke = Self::default();
        for (name, value) in members {
            let Value::String(text) = value else { return Err(format!("`{name}` is no text; {}", expected())) };
            let member = match name.as_str() {
                "issuer" => &mut revoke.issuer,
                "subject" => &mut revoke.subject,
                "token_id" => &mut revoke.token_id,
                "channel" => &mut revoke.channel,
                _ => return Err(format!("`{name}` is not known here; {}", expected())),
            };
            *member = Some(text);
        }
        Ok(revoke)
    }

    /// What is meant, where these are the issuers. The error says what was expected.
    pub(crate) fn target(&self, issuers: &[Option<String>]) -> Result<RevocationTarget, String> {
        let target = match (&self.subject, &self.token_id, &self.channel) {
            (Some(subject), None, None) => RevocationTarget::subject(self.issuer(issuers)?, subject),
            (None, Some(id), None) => RevocationTarget::token(self.issuer(issuers)?, id),
            (None, None, Some(channel)) if self.issuer.is_none() => {
                let name = ChannelName::parse(channel).map_err(|error| format!("channel `{channel}`: {error}"))?;
                Ok(RevocationTarget::Channel(name))
            }
            (None, None, Some(_)) => return Err("a channel is revoked for the tokens of all issuers".to_owned()),
            _ => return Err(expected()),
        };
        target.map_err(|error| error.to_string())
    }

    /// Whose tokens are meant: a subject and a token's id are names among those of one issuer.
    fn issuer<'a>(&'a self, issuers: &'a [Option<String>]) -> Result<Option<&'a str>, String> {
        match (&self.issuer, issuers) {
            (Some(name), _) if issuers.iter().any(|issuer| issuer.as_ref() == Some(name)) => Ok(Some(name)),
            // It takes tokens of any name for its own.
            (Some(_), [None]) => Ok(None),
            (Some(name), _) => Err(format!("no [[auth.issuers]] has the name {name:?}")),
            (None, [only]) => Ok(only.as_deref()),
            (None, []) => Err("there is no [[auth.issuers]] whose tokens could be revoked".to_owned()),
            (None, _) => Err("there are several [[auth.issuers]]: name the one whose tokens are meant".to_owned()),
        }
    }
}

fn expected() -> String {
    "expected one of subject, token_id and channel, and for the first two the issuer if there are several".to_owned()
}

/// The names of those whose tokens are believed.
pub(crate) fn issuers(config: &Config) -> Vec<Option<String>> {
    config.issuers.iter().map(|rule| rule.issuer.clone()).collect()
}

/// How long revocations are kept: no token that they are about lives longer.
pub(crate) fn kept_for(config: &Config) -> Duration {
    Revocations::lasts(config.auth.max_token_lifetime.0, config.auth.leeway.0)
}

/// The entry that says so to all nodes.
pub(crate) fn entry(target: &RevocationTarget, keep: Duration) -> AppendRequest {
    let log = LogName::revoked().name().clone();
    AppendRequest { log, data: target.to_json().into(), keep, max_entries: REVOCATIONS_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(json: &str, issuers: &[Option<&str>]) -> Result<RevocationTarget, String> {
        let issuers: Vec<_> = issuers.iter().map(|issuer| issuer.map(str::to_owned)).collect();
        Revoke::parse(json.as_bytes())?.target(&issuers)
    }

    // Fails when a name is taken for one of whatever issuer.
    #[test]
    fn a_subject_is_one_of_an_issuer_that_need_not_be_named_if_it_is_alone() {
        let seven = r#"{"subject":"7"}"#;
        assert_eq!(target(seven, &[Some("a")]), Ok(RevocationTarget::subject(Some("a"), "7").unwrap()));
        assert_eq!(target(seven, &[None]), Ok(RevocationTarget::subject(None, "7").unwrap()));
        assert!(target(seven, &[Some("a"), Some("b")]).unwrap_err().contains("several"));
        assert!(target(seven, &[]).is_err());
        let of_b = r#"{"token_id":"t","issuer":"b"}"#;
        assert_eq!(target(of_b, &[Some("a"), Some("b")]), Ok(RevocationTarget::token(Some("b"), "t").unwrap()));
        assert_eq!(target(of_b, &[None]), Ok(RevocationTarget::token(None, "t").unwrap()));
        assert!(target(of_b, &[Some("a")]).unwrap_err().contains("\"b\""));
    }

    #[test]
    fn one_thing_is_revoked_at_a_time_and_what_is_not_understood_is_nothing() {
        let orders = RevocationTarget::Channel(ChannelName::parse("orders").unwrap());
        assert_eq!(target(r#"{"channel":"orders"}"#, &[]), Ok(orders));
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"issuer":"a"}"#,
            r#"{"subject":7}"#,
            r#"{"subject":""}"#,
            r#"{"sub":"7"}"#,
            r#"{"subject":"7","token_id":"t"}"#,
            r#"{"channel":"$x"}"#,
            r#"{"channel":"orders","issuer":"a"}"#,
        ] {
            assert!(target(wrong, &[Some("a")]).is_err(), "{wrong}");
        }
    }
}
