//! The end of a server, in order: refuse politely, end the sessions over the window, close the listener once no client
//! arrives any more, end what is left at the deadline.
//!
//! The listener stays open meanwhile because closing it resets every connection in its queue, and balancers go on sending
//! for a while after readiness has failed.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::limits::TURN_AT_LEAST;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::acceptor::Acceptor;
use crate::acceptor_stats::AcceptorStats;
use crate::admission::Admission;
use crate::options::DrainOptions;
use crate::phase::{Phase, PhaseWatch};

/// How often the drain looks whether it is done. Only while draining.
const LOOK: Duration = Duration::from_millis(20);
/// Quiet times (`drain.quiet`) after the last session at which the listener closes at the latest, even if newcomers never cease.
const QUIETS: u32 = 6;

/// The acceptor thread's whole life. Returns when every connection has ended, at the deadline, or when stopped.
pub(crate) async fn accept_until_drained(
    acceptor: Acceptor,
    stats: &AcceptorStats,
    admission: Arc<Admission>,
    options: DrainOptions,
    phase: PhaseWatch,
) {
    let (mut begun, mut late, mut stopped) = (phase.clone(), phase.clone(), phase);
    let last_call = async {
        begun.reached(Phase::Draining).await;
        no_session_and_quiet(&admission, options.quiet).await;
    };
    let serve = async {
        acceptor.run(last_call).await;
        info!("every session has ended; the listener is closed");
        while admission.sockets() > 0 {
            sleep(LOOK).await;
        }
    };
    let deadline = async {
        late.reached(Phase::Draining).await;
        sleep(options.deadline).await;
    };
    let turns = async {
        loop {
            stats.turns.add(1);
            sleep(TURN_AT_LEAST).await;
        }
    };
    tokio::select! {
        () = serve => {}
        () = turns => {}
        () = deadline => {
            warn!(sessions = admission.sessions(), sockets = admission.sockets(), "drain deadline: ending the rest");
        }
        () = stopped.reached(Phase::Stopped) => {}
    }
}

/// Waits until no session is left, and then until no client has come for `quiet`, but not much longer: clients that are refused
/// come back, here too, and need not keep the node alive.
async fn no_session_and_quiet(admission: &Admission, quiet: Duration) {
    let mut seen = admission.arrivals();
    let (mut sessions_until, mut quiet_since) = (Instant::now(), Instant::now());
    while quiet_since.elapsed() < quiet && sessions_until.elapsed() < quiet * QUIETS {
        sleep(LOOK).await;
        if admission.arrivals() != seen {
            seen = admission.arrivals();
            quiet_since = Instant::now();
        }
        if admission.sessions() > 0 {
            (sessions_until, quiet_since) = (Instant::now(), Instant::now());
        }
    }
}
