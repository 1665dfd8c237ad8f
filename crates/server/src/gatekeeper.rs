//! The authorizer that looks at tokens, and at the certificates of clients, and asks the application about requests without one.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{
    CertifiedClient, Check, Credential, Forward, ForwardError, ForwardQuestion, Gate, Grant, Place, Refusal, Right,
    UnixSeconds, Verdict,
};
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{KEYS_WAIT, KEYS_WAITING_MAX};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::Semaphore;
use tracing::debug;

use crate::admission::AddressKey;
use crate::authorizer::{Authorized, Authorizer, Question};
use crate::clock::Clock;
use crate::cors::Cors;
use crate::cross_site::is_cross_site;
use crate::denied::Denied;
use crate::known_revocations::KnownRevocations;
use crate::query;
use crate::soon::Soon;
use crate::tickets;

/// Asks a gate what the token of a request is worth, or the certificate of its connection, and whether that is enough.
#[derive(Debug)]
pub struct Gatekeeper {
    gate: Arc<Gate>,
    query_parameter: Option<Box<str>>,
    cors: Cors,
    clock: Clock,
    /// In seconds.
    leeway: u64,
    /// Bounds the tokens whose keys are waited for. Never waited for: no place, no answer.
    keys_waiting: Arc<Semaphore>,
    revocations: Option<Arc<KnownRevocations>>,
    /// The application. `None`: only tokens count.
    forward: Option<Arc<Forward>>,
}

impl Gatekeeper {
    /// `query_parameter`: the name of the parameter in which a token may stand; `cors`: whose pages may send a token in a cookie;
    /// `leeway`: the gate's.
    #[must_use]
    pub fn new(gate: Arc<Gate>, query_parameter: Option<&str>, cors: Cors, clock: Clock, leeway: Duration) -> Self {
        let query_parameter = query_parameter.map(Box::from);
        let keys_waiting = Arc::new(Semaphore::new(KEYS_WAITING_MAX));
        Self {
            gate,
            query_parameter,
            cors,
            clock,
            leeway: leeway.as_secs(),
            keys_waiting,
            revocations: None,
            forward: None,
        }
    }

    /// The same, and what these know to be revoked gives nothing.
    #[must_use]
    pub fn with_revocations(self, revocations: Arc<KnownRevocations>) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// The same, and `forward` is asked about requests without a token.
    #[must_use]
    pub fn with_forward(self, forward: Option<Arc<Forward>>) -> Self {
        Self { forward, ..self }
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
        // Servers make tickets, and have no cookie; what stands in a URL ends in logs.
        if question.right == Right::Tickets && credential.place != Place::Header {
            return Err(Denied::By(Refusal::Missing));
        }
        if credential.place == Place::Cookie && is_cross_site(question.headers, &self.cors) {
            return Err(Denied::CrossSite);
        }
        Ok(credential)
    }

    /// Asks the application about the channels that are not public, if there is something to ask about and it has not just allowed the
    /// same.
    fn ask(&self, forward: &Arc<Forward>, question: &Question<'_>) -> Soon<Authorized> {
        let Some(headers) = self.believed(forward, question.headers) else {
            return Soon::Now(Err(Denied::CrossSite));
        };
        let (right, channels) = (question.right, question.channels.to_vec());
        let is_public = |channel: &ChannelName| self.gate.is_public(right, std::slice::from_ref(channel));
        let own: Vec<ChannelName> = channels.iter().filter(|channel| !is_public(channel)).cloned().collect();
        let request = forward.request(&ForwardQuestion {
            right,
            channels: &own,
            headers: &headers,
            target: &target(question.path, question.query, |name| {
                name == tickets::PARAMETER || self.query_parameter.as_deref() == Some(name)
            }),
            address: question.address,
            payer: AddressKey::of(question.address).bits(),
        });
        if !request.brings_something() {
            return Soon::Now(Err(Denied::Unauthenticated));
        }
        // Where the log of revocations is not what it was, what was allowed by then is asked about again.
        let reset_at = self.revocations.as_ref().and_then(|known| known.reset_at());
        if let Some(grant) = forward.kept(&request, self.now(), reset_at) {
            let verdict = Verdict::Granted(Box::new(grant));
            let judge = move |known: Option<&KnownRevocations>| by_application(verdict, right, &channels, known);
            return self.once_known(right, judge);
        }
        let (forward, clock, revocations) = (Arc::clone(forward), self.clock.clone(), self.revocations.clone());
        Soon::later(async move {
            let (asker, now) = (request.asker(), || UnixSeconds(clock.wall_ms() / 1_000));
            let resets = || revocations.as_ref().map(|known| known.progress().get().resets);
            let before = resets();
            let answer = forward.ask(request, now).await;
            if resets() != before {
                // What it said was of before. Whoever comes again is asked about anew.
                return Err(Denied::Undecided);
            }
            match answer {
                Ok(verdict) => {
                    settled(right, revocations.as_deref()).await;
                    by_application(verdict, right, &channels, revocations.as_deref()).map_err(|denied| match denied {
                        Denied::Unauthenticated | Denied::NotAllowed(_) | Denied::TooManyNamed(_)
                            if right == Right::Subscribe && forward.is_young_denial(&asker, now()) =>
                        {
                            Denied::Young(Box::new(denied))
                        }
                        other => other,
                    })
                }
                Err(ForwardError::Crowded) => Err(Denied::Undecided),
                Err(error) => {
                    debug!(%error, "the application gave no clear answer");
                    Err(Denied::Unasked)
                }
            }
        })
    }

    /// A request without a token is the application's to judge, if it brings what the application is asked about, or its connection
    /// proves nothing. Otherwise its client's certificate counts.
    fn without_token(&self, forward: Option<&Arc<Forward>>, question: &Question<'_>) -> Soon<Authorized> {
        match (forward, question.certified) {
            (Some(forward), None) => self.ask(forward, question),
            (Some(forward), Some(_)) if forward.takes_one_of(question.headers) => self.ask(forward, question),
            (_, Some(client)) => self.by_certificate(client, question),
            (None, None) => Soon::Now(Err(Denied::By(Refusal::Missing))),
        }
    }

    fn by_certificate(&self, client: &CertifiedClient, question: &Question<'_>) -> Soon<Authorized> {
        // A browser shows its certificate whatever page makes a request, as it sends cookies.
        if is_cross_site(question.headers, &self.cors) {
            return Soon::Now(Err(Denied::CrossSite));
        }
        // No certificate names channels.
        if question.right == Right::Subscribe && question.channels.is_empty() {
            return Soon::Now(Err(Denied::Unnamed));
        }
        match self.gate.check_certificate(client, self.now()) {
            Ok(grant) => {
                let (right, channels) = (question.right, question.channels.to_vec());
                self.once_known(right, move |known| allow(grant, right, &channels, known))
            }
            Err(refusal) => Soon::Now(Err(Denied::By(refusal))),
        }
    }

    /// Judges now, or when it is known what is revoked if this right needs that.
    fn once_known(
        &self,
        right: Right,
        judge: impl FnOnce(Option<&KnownRevocations>) -> Authorized + 'static,
    ) -> Soon<Authorized> {
        let known = self.revocations.clone();
        if known.as_ref().is_none_or(|known| !known.is_worth_a_wait(right)) {
            return Soon::Now(judge(known.as_deref()));
        }
        Soon::later(async move {
            settled(right, known.as_deref()).await;
            judge(known.as_deref())
        })
    }

    /// The headers that count for the application. A browser adds cookies, and what a user has typed into its own dialogues, whatever page
    /// makes a request: of a page of another site only a token counts that the page itself must know. `None`: nothing is left.
    fn believed<'a>(&self, forward: &Forward, headers: &'a HeaderMap) -> Option<Cow<'a, HeaderMap>> {
        if !is_cross_site(headers, &self.cors) {
            return Some(Cow::Borrowed(headers));
        }
        let is_bearer = |value: &[u8]| value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
        let mut left = HeaderMap::new();
        for value in headers.get_all(AUTHORIZATION).iter().filter(|value| is_bearer(value.as_bytes())) {
            left.append(AUTHORIZATION, value.clone());
        }
        let is_robbed = forward.takes_one_of(headers) && !forward.takes_one_of(&left);
        (!is_robbed).then_some(Cow::Owned(left))
    }
}

impl Authorizer for Gatekeeper {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        if self.gate.is_public(question.right, question.channels) {
            return Soon::Now(Ok(None));
        }
        // Who makes tickets says whose they are, so that no user's session is enough.
        let forward = self.forward.as_ref().filter(|_| question.right != Right::Tickets);
        // Where nobody's tokens are believed, what looks like one is the application's affair.
        if forward.is_some() && !self.gate.has_issuers() {
            return self.without_token(forward, question);
        }
        let credential = match self.credential(question) {
            Ok(credential) => credential,
            Err(Denied::By(Refusal::Missing)) => return self.without_token(forward, question),
            Err(denied) => return Soon::Now(Err(denied)),
        };
        // No token names channels.
        if question.right == Right::Subscribe && question.channels.is_empty() {
            return Soon::Now(Err(Denied::Unnamed));
        }
        if question.is_doubtful {
            return Soon::Now(Err(Denied::Unchecked));
        }
        let wanted = match self.gate.check(&credential, self.now()) {
            Check::Granted(grant) => {
                let (right, channels) = (question.right, question.channels.to_vec());
                return self.once_known(right, move |known| allow(grant, right, &channels, known));
            }
            Check::Refused(refusal) => return Soon::Now(Err(Denied::By(refusal))),
            Check::KeysWanted(wanted) => wanted,
        };
        let (gate, clock, revocations) = (Arc::clone(&self.gate), self.clock.clone(), self.revocations.clone());
        let (right, channels) = (question.right, question.channels.to_vec());
        let places = Arc::clone(&self.keys_waiting);
        Soon::later(async move {
            // Taken when the wait begins: a request that does not end, and is not judged before, holds none.
            let Ok(_place) = places.try_acquire_owned() else { return Err(Denied::By(Refusal::Unavailable)) };
            // Late or in time: what is known now decides.
            let _ = tokio::time::timeout(KEYS_WAIT, gate.look_for_keys(&wanted)).await;
            let now = UnixSeconds(clock.wall_ms() / 1_000);
            let grant = gate.check_again(&credential, now, &wanted).map_err(Denied::By)?;
            settled(right, revocations.as_deref()).await;
            allow(grant, right, &channels, revocations.as_deref())
        })
    }

    fn names_channels(&self) -> bool {
        self.forward.is_some()
    }

    fn still(&self, grant: &Grant, right: Right, channels: &[ChannelName]) -> Result<(), Denied> {
        if let Some(revocations) = &self.revocations {
            revocations.still(grant, right, channels)?;
        }
        let is_over = grant.has_expired(UnixSeconds(self.now().0.saturating_sub(self.leeway)));
        if is_over { Err(Denied::By(Refusal::Expired)) } else { Ok(()) }
    }
}

/// See [`KnownRevocations::settled`].
async fn settled(right: Right, revocations: Option<&KnownRevocations>) {
    if let Some(revocations) = revocations {
        revocations.settled(right).await;
    }
}

/// What the application's verdict is worth.
fn by_application(
    verdict: Verdict,
    right: Right,
    channels: &[ChannelName],
    revocations: Option<&KnownRevocations>,
) -> Authorized {
    match verdict {
        Verdict::Granted(grant) => {
            let named = if channels.is_empty() { grant.named_channels().to_vec() } else { Vec::new() };
            let channels = if channels.is_empty() { &named } else { channels };
            allow(*grant, right, channels, revocations).map_err(|denied| match denied {
                Denied::By(Refusal::Forbidden { channel, .. }) => Denied::NotAllowed(Some(channel)),
                Denied::By(_) => Denied::NotAllowed(None),
                denied => denied,
            })
        }
        Verdict::Unauthenticated => Err(Denied::Unauthenticated),
        Verdict::Forbidden => Err(Denied::NotAllowed(None)),
        Verdict::TooMany(most) => Err(Denied::TooManyNamed(most)),
    }
}

/// Path and query, without the parameters that hold secrets of this node.
fn target(path: &str, query: Option<&str>, is_secret: impl Fn(&str) -> bool) -> String {
    // What does not decode may be anything.
    let is_kept = |pair: &&str| query::pairs(pair).all(|pair| pair.is_ok_and(|(name, _)| !is_secret(&name)));
    let kept: Vec<&str> = query.unwrap_or_default().split('&').filter(is_kept).collect();
    let query = kept.join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Whether a grant is enough. Several channels are allowed together or not at all. Those of a ticket stand in a body, which is read for
/// somebody only who may make some.
fn allow(grant: Grant, right: Right, channels: &[ChannelName], revocations: Option<&KnownRevocations>) -> Authorized {
    if right == Right::Tickets && channels.is_empty() {
        if !grant.rights.give_any(right) {
            return Err(Denied::NoTickets);
        }
    } else {
        grant.permit(right, channels).map_err(Denied::By)?;
    }
    if let Some(revocations) = revocations {
        revocations.still(&grant, right, channels)?;
    }
    Ok(Some(Box::new(grant)))
}

/// The value of the query parameter of this name. Two would be two tokens.
fn in_query<'a>(name: &str, query: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Denied> {
    let mut found = None;
    for pair in query::pairs(query.unwrap_or_default()) {
        // What does not decode is nobody's token, and is refused by whoever reads the rest of the query.
        let Ok((key, value)) = pair else { continue };
        if key == name && found.replace(value).is_some() {
            return Err(Denied::By(Refusal::Invalid("the query has two of them")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
