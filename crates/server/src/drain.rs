//! The end of a server, in order: refuse politely, end the sessions over the window, close the listener once nobody
//! arrives any more, end what is left at the deadline.
//!
//! The listener stays open meanwhile because closing it resets every connection in its queue, and balancers go on sending
//! for a while after readiness has failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use crate::admission::Admission;
use crate::listener::Acceptor;
use crate::options::DrainOptions;
use crate::phase::{Phase, PhaseWatch};

/// How often the drain looks whether it is done. Only while draining.
const LOOK: Duration = Duration::from_millis(20);

/// The acceptor thread's whole life. Returns when every connection has ended, at the deadline, or when stopped.
pub(crate) async fn accept_until_drained(
    mut acceptor: Acceptor,
    admission: Arc<Admission>,
    options: DrainOptions,
    mut phase: PhaseWatch,
) {
    tokio::select! {
        () = acceptor.run() => {}
        () = phase.reached(Phase::Draining) => {}
    }
    let deadline = Instant::now() + options.deadline;
    let drain = async {
        accept_until_quiet(&mut acceptor, &admission, options.quiet).await;
        drop(acceptor);
        info!("the listener is closed; every session has ended");
        while admission.sockets() > 0 {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = timeout_at(deadline, drain) => {
            if done.is_err() {
                warn!(sessions = admission.sessions(), sockets = admission.sockets(), "drain deadline: ending the rest");
            }
        }
        () = phase.reached(Phase::Stopped) => {}
    }
}

/// Goes on accepting (the sockets are refused by their cores) until no session is left and nobody has come for `quiet`.
async fn accept_until_quiet(acceptor: &mut Acceptor, admission: &Admission, quiet: Duration) {
    let mut seen = acceptor.accepted();
    let mut since = Instant::now();
    loop {
        tokio::select! {
            () = acceptor.run() => {}
            () = sleep(LOOK) => {}
        }
        if acceptor.accepted() != seen || admission.sessions() > 0 {
            seen = acceptor.accepted();
            since = Instant::now();
        } else if since.elapsed() >= quiet {
            return;
        }
    }
}
