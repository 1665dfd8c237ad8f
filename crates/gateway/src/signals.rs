//! Signals from the operating system.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// End: politely the first time, at once the second.
    End {
        /// The signal's number, for the exit code of the second one.
        number: u8,
    },
    /// Read the configuration again.
    Reload,
    /// Nothing: it means nothing here. Whoever sent it is to be told so, by a line in the log.
    Nothing {
        /// Its name: `SIGUSR1`.
        name: &'static str,
    },
}

/// Waits for signals. From its creation on they no longer end the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Those that mean nothing here, with their names.
    others: Vec<(&'static str, Signal)>,
}

/// Signals that would end the process without a drain, though they mean nothing to a node, as Linux numbers them: they were meant
/// for another program, or sent by habit.
/// Not among them: those that report a fault or ask for a core dump (`SIGQUIT`, `SIGABRT`, ...), `SIGPIPE`, which the runtime
/// of the language ignores, and the real-time ones, which nobody sends by mistake. `SIGXCPU` comes each second from a limit of
/// CPU time on: to drain would make the second one the end, and the kernel ends the process at the hard limit anyway.
const OTHERS: [(&str, i32); 10] = [
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGALRM", 14),
    ("SIGSTKFLT", 16),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGIO", 29),
    ("SIGPWR", 30),
];

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

impl Signals {
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            others: others()?,
        })
    }

    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Ask {
        tokio::select! {
            _ = self.terminate.recv() => Ask::End { number: SIGTERM },
            _ = self.interrupt.recv() => Ask::End { number: SIGINT },
            _ = self.hang_up.recv() => Ask::Reload,
            name = first(&mut self.others) => Ask::Nothing { name },
        }
    }
}

fn others() -> std::io::Result<Vec<(&'static str, Signal)>> {
    let numbers = if cfg!(target_os = "linux") { &OTHERS[..] } else { &[] };
    numbers.iter().map(|(name, number)| Ok((*name, signal(SignalKind::from_raw(*number))?))).collect()
}

/// The name of the next of these signals.
async fn first(signals: &mut [(&'static str, Signal)]) -> &'static str {
    poll_fn(|cx| {
        let come = signals.iter_mut().find_map(|(name, signal)| signal.poll_recv(cx).is_ready().then_some(*name));
        come.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
