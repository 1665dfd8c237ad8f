//! A Redis made of memory, which speaks RESP3 to the nodes' own client library and can do everything to them that a real
//! one, its network and its administrators can.
//!
//! Every connection has an inbox of commands and an outbox of answers and pushes, each with the time at which it is due:
//! what is late, frozen or lost is decided there. Commands themselves run in no time, one after the other, as in Redis.

mod connection;
mod destruction;
mod hashes;
mod nature;
mod outgoing;
mod reads;
mod records;
mod resp;
mod server;
mod store;
mod troubles;
mod turns;
mod weather;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fanfare_redis::{Dial, Dialling};
use fanfare_server::Socket as _;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until};

use crate::net::End;
use crate::rng::Rng;
use crate::trace::Trace;
pub(crate) use destruction::Destruction;
pub(crate) use nature::Nature;
use outgoing::Outgoing;
pub(crate) use records::Records;
pub(crate) use resp::Reply;
pub(crate) use server::Server;
pub(crate) use weather::Weather;

/// Handle to a server. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct FakeRedis {
    server: Arc<Mutex<Server>>,
    dialled: Arc<Notify>,
}

impl FakeRedis {
    pub(crate) fn new(nature: Nature, weather: Weather, records: Records, rngs: [Rng; 2], trace: Trace) -> Self {
        let server = Server::new(nature, weather, records, rngs, trace);
        Self { server: Arc::new(Mutex::new(server)), dialled: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves connections for ever. To be run within a `LocalSet`.
    #[expect(clippy::disallowed_methods, reason = "connections end with the world's `LocalSet` at the latest")]
    pub(crate) async fn run(self) {
        loop {
            self.dialled.notified().await;
            let dialled = self.lock().take_dialled();
            for (number, end) in dialled {
                drop(tokio::task::spawn_local(serve(self.clone(), number, end)));
            }
        }
    }

    /// One command of somebody whose connection never fails: a publisher or an administrator.
    pub(crate) fn command(&self, parts: &[&str]) -> Reply {
        self.transaction(&[parts])
    }

    /// Several commands with nothing in between. The last reply.
    pub(crate) fn transaction(&self, commands: &[&[&str]]) -> Reply {
        let mut server = self.lock();
        let owned =
            |parts: &[&str]| parts.iter().map(|part| Bytes::copy_from_slice(part.as_bytes())).collect::<Vec<_>>();
        commands.iter().map(|parts| server.run(&owned(parts))).last().unwrap_or(Reply::Nil)
    }

    /// The way of one node to this server.
    pub(crate) fn dial_for(&self, node: usize) -> Arc<dyn Dial> {
        Arc::new(DialFrom { redis: self.clone(), node })
    }
}

struct DialFrom {
    redis: FakeRedis,
    node: usize,
}

impl Dial for DialFrom {
    fn dial(&self) -> Dialling {
        let Some(theirs) = self.redis.lock().dial(self.node) else {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        };
        self.redis.dialled.notify_one();
        Box::pin(async { Ok(Box::new(theirs) as Box<dyn fanfare_redis::RedisSocket>) })
    }
}

/// Serves one connection until either side ends it.
async fn serve(redis: FakeRedis, number: u64, mut end: End) {
    let Some(changed) = redis.lock().changed(number) else { return };
    let (mut input, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let Outgoing { write, close, again_at } = redis.lock().exchange(number);
        if !write.is_empty() && end.try_write(&write).is_err() || close {
            break;
        }
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            biased;
            read = end.read(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    input.extend_from_slice(&buffer[..count]);
                    redis.lock().receive(number, &mut input);
                }
            },
            () = changed.notified() => {}
            () = sleep_until(again_at.unwrap_or(far)) => {}
        }
    }
    redis.lock().close(number);
}
