//! The handshake of a client on a listener of TLS.
//!
//! A handshake costs a signature, up to a millisecond of its thread. So handshakes go on one at a time: between two of them comes
//! everything else that waits on the thread, and payers take turns. While it waits for its client a handshake is a silent socket like any
//! other, with the same bounds and the deadline of a request's head.

use std::future::poll_fn;
use std::io::{self, ErrorKind};

use fanfare_auth::CertifiedClient;
use fanfare_log::Payer;
use fanfare_protocol::limits::REQUEST_HEAD_TIMEOUT_DRAINING;
use fanfare_tls::{Established, Failure, Handshake, Identity, Protocol, Step};
use tokio::io::AsyncWriteExt as _;
use tokio::task::yield_now;
use tracing::{debug, warn};

use crate::admission::SocketPermit;
use crate::answer::Answer;
use crate::core::Core;
use crate::framing::Framing;
use crate::linger::linger;
use crate::payer_turns::PayerTurns;
use crate::phase::PhaseWatch;
use crate::problem::{Kind, Problem};
use crate::routes::Handler;
use crate::silent_sockets::SilentPlace;
use crate::socket::Socket;
use crate::tls_socket::TlsSocket;

/// Bytes that are read at a time.
const READ_BYTES: usize = 2 << 10;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Tls(#[from] Failure),
    /// It begins as requests of HTTP do.
    #[error("the client speaks HTTP where TLS is spoken")]
    Plain,
    #[error("the handshake was not done in time")]
    Late,
    /// Another socket needs the place.
    #[error("the place is another's")]
    NoPlace,
    #[error("the connection is gone: {0}")]
    Socket(#[from] io::Error),
}

/// What comes of a handshake.
pub(crate) struct Shaken<S> {
    pub(crate) socket: TlsSocket<S>,
    pub(crate) protocol: Protocol,
    /// What the client has proven by a certificate, where that counts for anything.
    pub(crate) certified: Option<Box<CertifiedClient>>,
}

/// Shakes hands with a client, of whose bytes some may be read already. `None`: there is no connection, and the client was told why, as
/// far as TLS has words for it.
pub(crate) async fn shake<S: Socket>(
    handler: &Handler,
    core: &Core,
    phase: &PhaseWatch,
    (mut socket, early): (S, Vec<u8>),
    permit: &SocketPermit,
    place: &SilentPlace,
    identity: &Identity,
) -> Option<Shaken<S>> {
    let timeout = handler.node.options.requests.head_timeout;
    let mut phase = phase.clone();
    let drained = async {
        phase.left_running().await;
        tokio::time::sleep(timeout.min(REQUEST_HEAD_TIMEOUT_DRAINING)).await;
    };
    let payer = Payer::of(permit.payer().map_or(0, |address| address.bits()));
    let outcome = tokio::select! {
        biased;
        outcome = converse(&mut socket, early, identity, &core.handshakes, payer) => outcome,
        () = tokio::time::sleep(timeout) => Err(Failed::Late),
        () = drained => Err(Failed::Late),
        () = poll_fn(|cx| place.poll_closed(cx)) => Err(Failed::NoPlace),
    };
    let stats = &handler.stats().tls;
    match outcome {
        Ok(Established { records, data, received, protocol, client_certificate }) => {
            stats.established.add(1);
            let certified = client_certificate.and_then(|certificate| certified(handler, permit, &certificate));
            Some(Shaken { socket: TlsSocket::new(socket, records, data, received), protocol, certified })
        }
        Err(failed) => {
            debug!(peer = %permit.source().address, %failed, "a TLS handshake failed");
            match failed {
                Failed::Plain => {
                    stats.plain.add(1);
                    handler.node.told_of_plain.call_once(|| {
                        warn!(peer = %permit.source().address, "a client speaks HTTP where TLS is spoken, and was told so; \
                              fanfare_tls_handshakes_total counts those that follow");
                    });
                    refuse_plain(core, &socket);
                    linger(socket, false).await;
                }
                Failed::Tls(_) => {
                    stats.failed.add(1);
                    linger(socket, false).await;
                }
                Failed::Socket(_) => stats.failed.add(1),
                Failed::Late => stats.late.add(1),
                Failed::NoPlace => {}
            }
            None
        }
    }
}

/// What a client has proven by this certificate, if anybody asks and it is the client's. Of the certificate nothing but its subject is kept
/// or logged.
fn certified(handler: &Handler, permit: &SocketPermit, certificate: &[u8]) -> Option<Box<CertifiedClient>> {
    if !permit.source().is_certified_by_its_own() {
        return None;
    }
    let client = handler.node.options.client_certificates.as_ref()?.read(certificate)?;
    debug!(peer = %permit.source().address, subject = client.subject.as_deref(), "a client has shown a certificate");
    Some(Box::new(client))
}

/// The whole conversation.
async fn converse<S: Socket>(
    socket: &mut S,
    early: Vec<u8>,
    identity: &Identity,
    turns: &PayerTurns,
    payer: Payer,
) -> Result<Established, Failed> {
    let mut received = early;
    // Boxed: the connection of rustls is a kilobyte, which a socket that has not said its first word does not need.
    let mut handshake: Option<Box<Handshake>> = None;
    loop {
        if received.is_empty() {
            received = receive(socket).await?;
        }
        if handshake.is_none() && looks_like_http(&received) {
            return Err(Failed::Plain);
        }
        let step = {
            let _turn = turns.take(payer).await;
            let handshake = match &mut handshake {
                Some(handshake) => handshake,
                none => none.insert(Box::new(Handshake::new(identity.current())?)),
            };
            handshake.receive(&received);
            let step = handshake.advance();
            // The turn is over when everything that waits on this thread has had its own.
            yield_now().await;
            step
        };
        received = Vec::new();
        let Some(shaking) = &mut handshake else { continue };
        let answer = shaking.take_outgoing();
        match step {
            Ok(step) => {
                socket.write_all(&answer).await?;
                if step == Step::Done {
                    break;
                }
            }
            Err(failure) => {
                // The alert that says why.
                socket.write_all(&answer).await?;
                return Err(failure.into());
            }
        }
    }
    match handshake {
        Some(handshake) => Ok(handshake.finish()?),
        None => Err(Failed::Socket(ErrorKind::UnexpectedEof.into())),
    }
}

/// Waits for bytes of the client.
async fn receive(socket: &impl Socket) -> io::Result<Vec<u8>> {
    loop {
        poll_fn(|cx| socket.poll_read_ready(cx)).await?;
        let mut bytes = [0; READ_BYTES];
        match socket.try_read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(bytes[..count].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether these are the first bytes of a request in the clear: the name of a method. Who speaks TLS begins with the kind of its first
/// record, 22 (RFC 8446, section 5.1).
fn looks_like_http(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_uppercase)
}

/// Answers in the clear who has asked in the clear, as other servers do that can tell.
fn refuse_plain(core: &Core, socket: &impl Socket) {
    let problem = Problem::new(Kind::InvalidRequest, "This port speaks TLS: ask for the same URL with https.");
    let answer = Answer::from(problem).dated(core.date()).closing();
    // A socket that takes no 500 bytes has no reader.
    let _ = socket.try_write(&answer.to_http1(Framing::Plain));
}
