//! What operators ask to be revoked, on the command line and on the admin listener.

use std::time::Duration;

use fanfare_auth::{
    CERTIFICATE_ISSUER, FORWARD_ISSUER, RESERVED_ISSUERS, RevocationEntry, RevocationTarget, Revocations,
    TICKET_ISSUER, Ticket,
};
use fanfare_log::{AppendRequest, PublishError};
use fanfare_protocol::limits::REVOCATIONS_WRITTEN_MAX;
use fanfare_protocol::{ChannelName, EntryId, LogName};
use serde_json::{Map, Value};

use crate::config::{Config, SubjectName};

/// One thing that is to be revoked, as somebody names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revoke {
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) token_id: Option<String>,
    /// Its text. The log has its name only.
    pub(crate) ticket: Option<String>,
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
                "ticket" => &mut revoke.ticket,
                "channel" => &mut revoke.channel,
                _ => return Err(format!("`{name}` is not known here; {}", expected())),
            };
            *member = Some(text);
        }
        Ok(revoke)
    }

    /// What is meant, where these are the issuers. The error says what was expected.
    pub(crate) fn target(&self, issuers: &Issuers) -> Result<RevocationTarget, String> {
        let target = match (&self.subject, &self.token_id, &self.ticket, &self.channel) {
            (Some(subject), None, None, None) => {
                let issuer = self.issuer(&issuers.names)?;
                // As it stands in grants: names of hosts are read from certificates in lower case.
                let is_host = issuers.certificates_name_hosts && issuer == Some(CERTIFICATE_ISSUER);
                let lower = is_host.then(|| subject.to_ascii_lowercase());
                RevocationTarget::subject(issuer, lower.as_ref().unwrap_or(subject))
            }
            (None, Some(id), None, None) => RevocationTarget::token(self.issuer(&issuers.names)?, id),
            (None, None, Some(ticket), None) if self.issuer.is_none() => {
                let ticket = Ticket::parse(ticket)
                    .ok_or("the ticket is none: expected what stands in its URL behind `ticket=`")?;
                RevocationTarget::token(Some(TICKET_ISSUER), &ticket.name().to_string())
            }
            (None, None, None, Some(channel)) if self.issuer.is_none() => {
                let name = ChannelName::parse(channel).map_err(|error| format!("channel `{channel}`: {error}"))?;
                Ok(RevocationTarget::Channel(name))
            }
            (None, None, None, Some(_)) => return Err("a channel is revoked for the tokens of all issuers".to_owned()),
            (None, None, Some(_), None) => {
                return Err("a ticket is no issuer's: expected no `issuer` beside it".to_owned());
            }
            _ => return Err(expected()),
        };
        target.map_err(|error| error.to_string())
    }

    /// Whose grants are meant: a subject and a token's id are names among those of one issuer.
    fn issuer<'a>(&'a self, issuers: &'a [Option<String>]) -> Result<Option<&'a str>, String> {
        match (&self.issuer, issuers) {
            (Some(name), _) if issuers.iter().any(|issuer| issuer.as_ref() == Some(name)) => Ok(Some(name)),
            // One without a name takes tokens of any name for its own.
            (Some(name), _) if issuers.contains(&None) && !RESERVED_ISSUERS.contains(&name.as_str()) => Ok(None),
            (Some(name), _) if RESERVED_ISSUERS.contains(&name.as_str()) => Err(format!(
                "nothing is given by {name:?} with this configuration: {TICKET_ISSUER} needs auth.tickets, {FORWARD_ISSUER} forward_auth.url, and {CERTIFICATE_ISSUER} auth.client_certificates.subject"
            )),
            (Some(name), _) => Err(format!("no [[auth.issuers]] has the name {name:?}")),
            (None, [only]) => Ok(only.as_deref()),
            (None, []) => {
                Err("there is none of [[auth.issuers]], [forward_auth], auth.tickets and [auth.client_certificates], whose grants could be \
                     revoked"
                    .to_owned())
            }
            (None, several) => {
                let names: Vec<_> = several.iter().flatten().map(String::as_str).collect();
                let names = names.join(", ");
                Err(format!("there are several issuers ({names}): name the one whose grants are meant"))
            }
        }
    }
}

fn expected() -> String {
    "expected one of subject, token_id, ticket and channel, and for the first two the issuer if there are several"
        .to_owned()
}

/// Those whose grants are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuers {
    /// Issuers of tokens, the application that is asked about requests, tickets, and certificates of clients.
    names: Vec<Option<String>>,
    /// Subjects of certificates are names of hosts (`san_dns`).
    certificates_name_hosts: bool,
}

/// Those whose grants are believed with this configuration.
pub(crate) fn issuers(config: &Config) -> Issuers {
    let application = config.forward_auth.url.0.as_ref().map(|_| Some(FORWARD_ISSUER.to_owned()));
    let tickets = config.auth.tickets.then(|| Some(TICKET_ISSUER.to_owned()));
    let certificates = config.certificates_count().then(|| Some(CERTIFICATE_ISSUER.to_owned()));
    let own = application.into_iter().chain(tickets).chain(certificates);
    Issuers {
        names: config.issuers.iter().map(|rule| rule.issuer.clone()).chain(own).collect(),
        certificates_name_hosts: config.client_certificates.subject.0 == Some(SubjectName::DnsName),
    }
}

/// How long a grant lasts at most, by whatever it is given. By a certificate it lasts, for revocations, as long as that is valid.
pub(crate) fn longest_grant(config: &Config) -> Duration {
    let by_application = config.forward_auth.url.0.as_ref().map(|_| config.forward_auth.max_lifetime.0);
    let by_certificate = config.certificates_count().then_some(config.client_certificates.max_lifetime.0);
    let others = by_application.unwrap_or_default().max(by_certificate.unwrap_or_default());
    config.auth.max_token_lifetime.0.max(others)
}

/// How long revocations are kept: no grant that they are about lasts longer.
pub(crate) fn kept_for(config: &Config) -> Duration {
    Revocations::lasts(longest_grant(config), config.auth.leeway.0)
}

/// The entry that says so to all nodes.
pub(crate) fn entry(target: &RevocationTarget, keep: Duration) -> AppendRequest {
    let log = LogName::revoked().name().clone();
    let data = RevocationEntry { target: target.clone(), keep: Some(keep) }.to_json().into();
    AppendRequest { log, data, keep, max_entries: REVOCATIONS_WRITTEN_MAX }
}

/// What a stored entry is good for, by this machine's time. Redis dates it by its own clock, and nodes believe that date.
///
/// # Errors
/// Redis' clock is so far behind that no grant is that old and still good: nothing was revoked.
pub(crate) fn effect(id: EntryId, keep: Duration, now_ms: u64) -> Result<EntryId, PublishError> {
    let behind = Duration::from_millis(now_ms.saturating_sub(id.ms));
    if behind < keep {
        return Ok(id);
    }
    Err(PublishError::Rejected(format!(
        "Redis' clock is {} s behind this machine's, so that the entry {id} revokes nothing that is still good: set the clocks, and revoke again",
        behind.as_secs()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when an answer of Redis is enough.
    #[test]
    fn what_redis_dates_before_the_life_of_every_grant_is_no_revocation() {
        let id = EntryId { ms: 100_000, seq: 0 };
        let keep = Duration::from_secs(60);
        assert_eq!(effect(id, keep, 90_000).unwrap(), id);
        assert_eq!(effect(id, keep, 159_999).unwrap(), id);
        assert!(effect(id, keep, 160_000).unwrap_err().to_string().contains("60 s behind"));
    }

    fn target(json: &str, issuers: &[Option<&str>]) -> Result<RevocationTarget, String> {
        let names = issuers.iter().map(|issuer| issuer.map(str::to_owned)).collect();
        let issuers = Issuers { names, certificates_name_hosts: false };
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

    // Seen to fail when an issuer without a name takes these for its own: the tokens of 7 were revoked, and no ticket.
    #[test]
    fn the_names_of_the_gateways_own_grants_are_no_names_of_an_issuer() {
        for (name, key) in [("tickets", "auth.tickets"), ("forward_auth", "forward_auth.url")] {
            let json = format!(r#"{{"subject":"7","issuer":"{name}"}}"#);
            assert!(target(&json, &[None]).unwrap_err().contains(key));
            let of_it = Ok(RevocationTarget::subject(Some(name), "7").unwrap());
            assert_eq!(target(&json, &[None, Some(name)]), of_it);
        }
    }

    // Fails when only issuers of tokens are known, and when a revocation is kept for a shorter time than a grant lasts.
    #[test]
    fn the_application_that_is_asked_is_an_issuer_and_its_grants_count_for_how_long_revocations_are_kept() {
        let mut config = Config::default();
        assert!(issuers(&config).names.is_empty());
        config.auth.max_token_lifetime.0 = Duration::from_secs(60);
        let tokens_only = kept_for(&config);
        config.forward_auth.url.0 = Some(fanfare_auth::SafeUrl::parse("https://app.example/a").unwrap());
        config.forward_auth.max_lifetime.0 = Duration::from_secs(600);
        assert_eq!(issuers(&config).names, [Some("forward_auth".to_owned())]);
        assert_eq!(kept_for(&config), tokens_only + Duration::from_secs(540));
        let seven = RevocationTarget::subject(Some("forward_auth"), "7").unwrap();
        assert_eq!(target(r#"{"subject":"7"}"#, &[Some("forward_auth")]), Ok(seven.clone()));
        assert_eq!(target(r#"{"subject":"7","issuer":"forward_auth"}"#, &[None, Some("forward_auth")]), Ok(seven));
    }

    // Fails when a subject of a certificate is one of a token, and when a revocation is forgotten while its certificate lives.
    #[test]
    fn subjects_of_certificates_are_those_of_an_issuer_of_its_own_and_count_for_how_long_revocations_are_kept() {
        let mut config = Config::default();
        let tokens_only = kept_for(&config);
        config.client_certificates.subject.0 = Some(SubjectName::Uri);
        assert_eq!(issuers(&config).names, [Some("client_certificates".to_owned())]);
        config.client_certificates.max_lifetime.0 = config.auth.max_token_lifetime.0 + Duration::from_secs(60);
        assert_eq!(kept_for(&config), tokens_only + Duration::from_secs(60));
        let json = r#"{"subject":"7","issuer":"client_certificates"}"#;
        let seven = RevocationTarget::subject(Some("client_certificates"), "7").unwrap();
        assert_eq!(target(json, &[None, Some("client_certificates")]), Ok(seven));
        assert!(target(json, &[None]).unwrap_err().contains("auth.client_certificates.subject"));
    }

    // Fails when the name stays as it was typed: then nobody was revoked, and that looked like success.
    #[test]
    fn a_host_that_certificates_name_is_revoked_however_its_name_is_written() {
        let mut config = Config::default();
        let revoked = |config: &Config, issuer: &str| {
            let json = format!(r#"{{"subject":"Node1.Example.com","issuer":{issuer:?}}}"#);
            Revoke::parse(json.as_bytes()).unwrap().target(&issuers(config)).unwrap()
        };
        let subject = |issuer, name| RevocationTarget::subject(Some(issuer), name).unwrap();
        config.client_certificates.subject.0 = Some(SubjectName::DnsName);
        config.auth.tickets = true;
        let (ours, tickets) = ("client_certificates", "tickets");
        assert_eq!(revoked(&config, ours), subject(ours, "node1.example.com"));
        // Other names may differ in nothing else.
        assert_eq!(revoked(&config, tickets), subject(tickets, "Node1.Example.com"));
        config.client_certificates.subject.0 = Some(SubjectName::CommonName);
        assert_eq!(revoked(&config, ours), subject(ours, "Node1.Example.com"));
    }

    // Fails when a ticket's text gets into the log, which holds its name.
    #[test]
    fn a_ticket_is_revoked_by_its_text_and_its_holder_by_the_issuer_of_tickets() {
        let mut config = Config::default();
        config.auth.tickets = true;
        assert_eq!(issuers(&config).names, [Some("tickets".to_owned())]);
        let text = "A".repeat(27);
        let revoked = target(&format!(r#"{{"ticket":"{text}"}}"#), &[]).unwrap();
        let name = Ticket::parse(&text).unwrap().name().to_string();
        assert_eq!(revoked, RevocationTarget::token(Some("tickets"), &name).unwrap());
        let seven = RevocationTarget::subject(Some("tickets"), "7").unwrap();
        assert_eq!(target(r#"{"subject":"7","issuer":"tickets"}"#, &[Some("id"), Some("tickets")]), Ok(seven));
        for wrong in [r#"{"ticket":"x"}"#.to_owned(), format!(r#"{{"ticket":"{text}","issuer":"tickets"}}"#)] {
            assert!(target(&wrong, &[Some("tickets")]).is_err(), "{wrong}");
        }
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
