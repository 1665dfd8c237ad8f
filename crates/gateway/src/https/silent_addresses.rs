//! Addresses that did not answer lately.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_protocol::limits::{ASK_SILENT_AGE, ASK_SILENT_MAX};
use tokio::time::Instant;

/// They are tried after the others, so that a machine that is gone, or a broken way over IPv6, does not cost every question its time. The
/// others keep the order that the name server gave them, which spreads questions over them.
#[derive(Default)]
pub(super) struct SilentAddresses(Mutex<Vec<(SocketAddr, Instant)>>);

impl SilentAddresses {
    /// Puts those last.
    pub(super) fn sort(&self, addresses: &mut [SocketAddr]) {
        let silent = self.fresh();
        addresses.sort_by_key(|address| silent.iter().any(|(silent, _)| silent == address));
    }

    /// One answered.
    pub(super) fn answered(&self, address: SocketAddr) {
        self.fresh().retain(|(silent, _)| *silent != address);
    }

    /// One did not, or refused.
    pub(super) fn did_not_answer(&self, address: SocketAddr) {
        let mut silent = self.fresh();
        silent.retain(|(other, _)| *other != address);
        if silent.len() >= ASK_SILENT_MAX {
            silent.remove(0);
        }
        silent.push((address, Instant::now()));
    }

    fn fresh(&self) -> MutexGuard<'_, Vec<(SocketAddr, Instant)>> {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.retain(|(_, since)| since.elapsed() < ASK_SILENT_AGE);
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 80).into()
    }

    #[tokio::test(start_paused = true)]
    async fn who_did_not_answer_comes_last_for_a_while_and_is_forgotten_when_it_does() {
        let silent = SilentAddresses::default();
        let order = || {
            let mut all = [address(1), address(2), address(3)];
            silent.sort(&mut all);
            all
        };
        silent.did_not_answer(address(1));
        assert_eq!(order(), [address(2), address(3), address(1)]);
        silent.answered(address(1));
        assert_eq!(order(), [address(1), address(2), address(3)]);
        silent.did_not_answer(address(2));
        tokio::time::advance(ASK_SILENT_AGE).await;
        assert_eq!(order(), [address(1), address(2), address(3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_remembered() {
        let silent = SilentAddresses::default();
        for port in 0..1_000 {
            silent.did_not_answer((std::net::Ipv4Addr::LOCALHOST, port).into());
        }
        assert_eq!(silent.fresh().len(), ASK_SILENT_MAX);
    }
}
