//! Signals from the operating system.

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
}

/// Waits for signals. From its creation on they no longer end the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

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
        })
    }

    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Ask {
        tokio::select! {
            _ = self.terminate.recv() => Ask::End { number: SIGTERM },
            _ = self.interrupt.recv() => Ask::End { number: SIGINT },
            _ = self.hang_up.recv() => Ask::Reload,
        }
    }
}
