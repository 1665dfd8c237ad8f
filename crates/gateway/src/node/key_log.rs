//! Says in the log how the keys are that issuers publish: a line for each change.

use std::sync::Arc;

use fanfare_auth::{Gate, KeyStatus};
use fanfare_protocol::limits::ASK_LOG_INTERVAL;
use tracing::{info, warn};

/// What was said of the keys of each issuer last.
pub(super) struct KeyLog {
    gate: Arc<Gate>,
    said: Vec<Saying>,
}

/// What there is to say of the keys of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Saying {
    /// They have not been looked for yet.
    Nothing,
    Read(usize),
    /// They were not read, or something is wrong with them.
    Wrong(Box<str>),
}

impl Saying {
    fn of(status: &KeyStatus) -> Self {
        match (&status.last_error, status.read_at) {
            (Some(error), _) => Self::Wrong(error.clone()),
            (None, Some(_)) => Self::Read(status.keys),
            (None, None) => Self::Nothing,
        }
    }
}

impl KeyLog {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, said: Vec::new() }
    }

    /// Looks for ever. Dropping it ends it at any time.
    pub(super) async fn run(mut self) {
        loop {
            self.look();
            tokio::time::sleep(ASK_LOG_INTERVAL).await;
        }
    }

    fn look(&mut self) {
        let all = self.gate.key_status();
        self.said.resize(all.len(), Saying::Nothing);
        for (status, said) in all.iter().zip(&mut self.said) {
            let saying = Saying::of(status);
            if saying == *said {
                continue;
            }
            let issuer = status.issuer.as_deref().unwrap_or("without a name");
            match &saying {
                Saying::Nothing => {}
                Saying::Read(keys) => info!(issuer, keys, "read the keys of an issuer"),
                Saying::Wrong(error) => warn!(issuer, %error, "the keys of an issuer are not as they should be"),
            }
            *said = saying;
        }
    }
}
