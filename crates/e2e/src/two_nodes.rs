//! A setting that many tests begin with: one Redis, two nodes, one publisher.

use crate::{Client, Expect, Ledger, Node, Publisher, RedisServer, Subscribe, resume_and_check};

/// Redis, a node that follows channels, and a fresh one that has never heard of them, so that it depends on the archive.
pub struct TwoNodes {
    /// Ended last.
    pub redis: RedisServer,
    /// What was published.
    pub ledger: Ledger,
    /// The node that follows channels.
    pub near: Node,
    /// The one that has not heard of them.
    pub far: Node,
    /// Publishes, and writes it into the ledger.
    pub publisher: Publisher,
}

impl TwoNodes {
    /// On a Redis with the settings of a test.
    #[must_use]
    pub fn start() -> Self {
        Self::on(RedisServer::start())
    }

    /// On this Redis.
    #[must_use]
    pub fn on(redis: RedisServer) -> Self {
        let ledger = Ledger::default();
        let builder = || Node::builder(&redis).set("redis.reconcile_interval", "1s").set("delivery.heartbeat", "1s");
        let (near, far) = (builder().launch(), builder().launch());
        near.wait_ready();
        far.wait_ready();
        let publisher = Publisher::new(&redis, &ledger);
        Self { redis, ledger, near, far, publisher }
    }

    /// A client of "c" that has seen so many events on the near node, which is everything so far, and has hung up.
    #[track_caller]
    pub fn left(&mut self, events: usize) -> Client {
        let mut client = Client::open(self.near.address(), Subscribe::to("c"));
        self.publisher.fcall_many("c", 0..events, &[]);
        client.read_data(&format!("c {}", events - 1));
        client.disconnect();
        client
    }

    /// The client comes back to the far node, is told these gaps, and gets the rest.
    #[track_caller]
    pub fn resumes(&self, client: &mut Client, gaps: &[&'static str]) {
        resume_and_check(client, self.far.address(), &self.ledger, "c", &Expect::everything().with_gaps(gaps));
    }
}
