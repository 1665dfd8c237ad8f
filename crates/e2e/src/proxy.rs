//! A TCP proxy that can go silent: what a firewall that forgot a connection, or a crashed peer behind a balancer, looks
//! like. Nothing is closed and nothing arrives any more; new connections work.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Forwards connections to one target until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Connections made before this generation are silent; `u64::MAX` ends all.
    silent_before: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
}

/// How often a forwarding thread looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

impl Proxy {
    /// A proxy in front of `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let silent_before = Arc::new(AtomicU64::new(0));
        let generation = Arc::new(AtomicU64::new(1));
        let (silent, current) = (Arc::clone(&silent_before), Arc::clone(&generation));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if silent.load(Ordering::Acquire) == u64::MAX {
                    return;
                }
                let Ok(server) = TcpStream::connect(target) else { continue };
                let made = current.load(Ordering::Acquire);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let silent = Arc::clone(&silent);
                    std::thread::spawn(move || forward(from, to, made, &silent));
                }
            }
        });
        Self { address, silent_before, generation }
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes on the connections that exist; later ones work.
    pub fn silence(&self) {
        let next = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        self.silent_before.store(next, Ordering::Release);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.silent_before.store(u64::MAX, Ordering::Release);
        // Wakes the accepting thread, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, made: u64, silent_before: &AtomicU64) {
    let _ = from.set_read_timeout(Some(LOOK));
    let mut buffer = [0; 16 * 1024];
    loop {
        match silent_before.load(Ordering::Acquire) {
            u64::MAX => break,
            before if made < before => {
                // Holds both sockets open and does nothing with them.
                crate::pace(LOOK);
                continue;
            }
            _ => {}
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if silent_before.load(Ordering::Acquire) <= made => {
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
