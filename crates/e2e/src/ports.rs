//! Ports that stay ours. A port found by binding to 0 is free again as soon as that socket closes; a lease is a lock
//! file as well, so that a server can be restarted on its port while other tests look for theirs.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// `clients/harness/ports.py` leases from the same folder and range.
///
/// Below the range from which Linux takes the ports of outgoing connections (32768 and up).
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that no other lease holds, in this process or any other, until it is dropped.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    // The lock is released when the file closes.
    _lock: File,
}

impl Lease {
    /// Leases a port on which nobody listens now.
    pub fn take() -> Self {
        let directory = std::env::temp_dir().join("fanfare-e2e-ports");
        fs::create_dir_all(&directory).expect("a directory for port locks");
        let origin = (std::process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let port = FIRST + (origin + step) % COUNT;
            let path = directory.join(port.to_string());
            let Ok(lock) = OpenOptions::new().create(true).truncate(false).write(true).open(&path) else {
                continue;
            };
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Self { port, _lock: lock };
            }
        }
        panic!("no free port between {FIRST} and {}", FIRST + COUNT);
    }

    /// The leased port number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// 127.0.0.1 with the leased port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}
