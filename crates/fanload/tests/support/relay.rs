//! A TCP connection that is passed on, and says how much has passed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passes bytes on in one direction. Its threads end with the connections, or with the test's process.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    passed: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) fn to(there: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), passed: Arc::default() };
        let passed = Arc::clone(&relay.passed);
        std::thread::spawn(move || {
            for from in listener.incoming() {
                let (passed, to) = (Arc::clone(&passed), TcpStream::connect(there).unwrap());
                std::thread::spawn(move || pass(from.unwrap(), to, &passed));
            }
        });
        relay
    }

    /// Bytes so far.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, passed: &AtomicUsize) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
        passed.fetch_add(count, Ordering::Relaxed);
    }
}
