//! A node whose clients may do what their certificates give, by a clock that can be put forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare_auth::{Grant, Refusal, Right, Rights};
use fanfare_protocol::{ChannelName, Pattern};
use fanfare_server::{
    Authorized, Authorizer, ClientCertificateOptions, Clock, Denied, Options, Question, Soon, SubjectFrom,
};

/// How long a handshake proves whose the client is.
pub const PROOF: Duration = Duration::from_secs(24 * 3_600);

/// Lets a subject follow the channel of its name, and read it.
#[derive(Debug)]
struct ByCertificate;

impl Authorizer for ByCertificate {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        let Some(client) = question.certified else { return Soon::Now(Err(Denied::By(Refusal::Missing))) };
        let subject = client.subject.clone().unwrap_or_default();
        let rights = Rights::none().with(Right::Subscribe, Pattern::parse(&subject));
        let grant = Grant { subject: Some(subject), expires_at: Some(client.proven_until), rights, ..Grant::default() };
        Soon::Now(grant.permit(question.right, question.channels).map_err(Denied::By).map(|()| Some(Box::new(grant))))
    }

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

/// Adds it to the options. Returns by how much the clock of proofs is put forward, in seconds.
pub fn by_certificate(options: &mut Options) -> Arc<AtomicU64> {
    let ahead = Arc::new(AtomicU64::new(0));
    let (system, forward) = (Clock::system(), Arc::clone(&ahead));
    let clock = Clock::from_fn(move || system.wall_ms() + forward.load(Ordering::Relaxed) * 1_000);
    options.client_certificates =
        Some(ClientCertificateOptions { subject: SubjectFrom::DnsName, proof_lifetime: PROOF, clock });
    options.authorizer = Some(Arc::new(ByCertificate));
    ahead
}
