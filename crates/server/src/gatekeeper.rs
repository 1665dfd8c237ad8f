//! The authorizer that looks at tokens.

use std::borrow::Cow;
use std::sync::Arc;

use fanfare_auth::{Check, Credential, Gate, Grant, Place, Refusal, Right, UnixSeconds};
use fanfare_protocol::ChannelName;

use crate::authorizer::{Authorized, Authorizer, Question};
use crate::clock::Clock;
use crate::cors::Cors;
use crate::cross_site::is_cross_site;
use crate::denied::Denied;
use crate::query;
use crate::soon::Soon;

/// Asks a gate what the token of a request is worth, and whether that is enough.
#[derive(Debug)]
pub struct Gatekeeper {
    gate: Arc<Gate>,
    query_parameter: Option<Box<str>>,
    cors: Cors,
    clock: Clock,
}

impl Gatekeeper {
    /// `query_parameter`: the name of the parameter in which a token may stand; `cors`: whose pages may send a token in a cookie.
    #[must_use]
    pub fn new(gate: Arc<Gate>, query_parameter: Option<&str>, cors: Cors, clock: Clock) -> Self {
        Self { gate, query_parameter: query_parameter.map(Box::from), cors, clock }
    }

    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.clock.wall_ms() / 1_000)
    }

    fn credential(&self, question: &Question<'_>) -> Result<Credential, Denied> {
        let in_query = match &self.query_parameter {
            Some(name) => in_query(name, question.query)?,
            None => None,
        };
        let credential = self.gate.credential(question.headers, in_query.as_deref()).map_err(Denied::By)?;
        let credential = credential.ok_or(Denied::By(Refusal::Missing))?;
        if credential.place == Place::Cookie && is_cross_site(question.headers, &self.cors) {
            return Err(Denied::CrossSite);
        }
        Ok(credential)
    }
}

impl Authorizer for Gatekeeper {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        if self.gate.is_public(question.right, question.channels) {
            return Soon::Now(Ok(None));
        }
        let credential = match self.credential(question) {
            Ok(credential) => credential,
            Err(denied) => return Soon::Now(Err(denied)),
        };
        let wanted = match self.gate.check(&credential, self.now()) {
            Check::Granted(grant) => return Soon::Now(allow(grant, question.right, question.channels)),
            Check::Refused(refusal) => return Soon::Now(Err(Denied::By(refusal))),
            Check::KeysWanted(wanted) => wanted,
        };
        let (gate, clock) = (Arc::clone(&self.gate), self.clock.clone());
        let (right, channels) = (question.right, question.channels.to_vec());
        Soon::later(async move {
            gate.look_for_keys(&wanted).await;
            let now = UnixSeconds(clock.wall_ms() / 1_000);
            let grant = gate.check_again(&credential, now, &wanted).map_err(Denied::By)?;
            allow(grant, right, &channels)
        })
    }
}

/// Whether a grant is enough. Several channels are allowed together or not at all.
fn allow(grant: Grant, right: Right, channels: &[ChannelName]) -> Authorized {
    match grant.first_refused(right, channels) {
        Some(channel) => Err(Denied::By(Refusal::Forbidden { right, channel: channel.clone() })),
        None => Ok(Some(Box::new(grant))),
    }
}

/// The value of the query parameter of this name. Two would be two tokens.
fn in_query<'a>(name: &str, query: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Denied> {
    let mut found = None;
    for pair in query::pairs(query.unwrap_or_default()) {
        // Queries that do not decode have been refused.
        let Ok((key, value)) = pair else { continue };
        if key == name && found.replace(value).is_some() {
            return Err(Denied::By(Refusal::Invalid("the query has two of them")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
