//! The processes and the wires between them.

use std::io;
use std::net::SocketAddr;

use fanfare_e2e::{Certificate, Haproxy, Node, NodeBuilder, Proxy, RedisServer, Server, Transport};
use tempfile::NamedTempFile;

use crate::access;
use crate::action::{NODES, Wire};
use crate::bounds::DRAIN_DEADLINE;
use crate::dice::Dice;
use crate::fsync::Fsync;
use crate::payload::EVENT_BYTES;
use crate::promises;
use crate::tokens;
use crate::transport_kind::TransportKind;

/// Everything that runs.
pub(crate) struct World {
    /// The primary.
    pub(crate) redis: RedisServer,
    /// Copies it, over a line of its own, and may take its place.
    pub(crate) replica: RedisServer,
    pub(crate) nodes: Vec<Node>,
    /// The node that may open few files.
    pub(crate) few: usize,
    /// The node whose log nobody reads.
    pub(crate) unread: usize,
    /// The node that believes no message: a fleet that is half reconfigured.
    pub(crate) verifying: usize,
    /// What all nodes read when they start, again and again.
    _configuration: NamedTempFile,
    pub(crate) haproxy: Haproxy,
    /// How clients talk to nodes: each takes one of these.
    pub(crate) transports: Vec<Transport>,
    /// What nodes show them over TLS, in turns. Clients believe each.
    pub(crate) certificates: Vec<Certificate>,
    /// Between some of the clients and the balancer.
    clients: Proxy,
    /// Between the balancer and each node.
    fronts: Vec<Proxy>,
    /// Between each node and Redis.
    links: Vec<Proxy>,
    /// Between the publishers and Redis.
    publishers: Proxy,
    /// Between the replica and the primary.
    replication: Proxy,
    /// Between the harness itself and the primary, whichever that is. Nothing ever happens to it.
    direct: Proxy,
}

impl World {
    /// Starts everything and waits until it is ready.
    pub(crate) fn start(seed: u64, fsync: Fsync, transport: TransportKind) -> Self {
        let options = ["--appendonly", "yes", "--appendfsync", fsync.word()];
        // Small nodes of streams, so that `MAXLEN ~` trims closely.
        let streams = ["--notify-keyspace-events", "Kt", "--stream-node-max-entries", "10"];
        // A replica copies at once, and a primary does not wait for it when it ends.
        let copies = ["--repl-diskless-sync-delay", "0", "--shutdown-timeout", "0"];
        let options = [&options[..], &streams, &copies, &access::server_option()].concat();
        let (redis, replica) = (RedisServer::start_with(&options), RedisServer::start_with(&options));
        let (replication, direct) = (Proxy::to(redis.address()), Proxy::to(redis.address()));
        replica.follow(replication.address());
        let links: Vec<Proxy> = (0..NODES).map(|_| Proxy::to(redis.address())).collect();
        let mut weak = Dice::of(seed, "weak nodes", 0);
        let (few, unread) = (weak.below(NODES as u64) as usize, weak.below(NODES as u64) as usize);
        let verifying = Dice::of(seed, "verifying", 0).below(NODES as u64) as usize;
        let configuration = configuration().expect("a temporary file");
        let argument = format!("--config={}", configuration.path().display());
        let certificates = transport.certificates();
        let builder = |index: usize| {
            let builder = node(seed, index, links[index].address()).argument(&argument);
            let builder = if index == verifying { builder.set("redis.pushes", "verified") } else { builder };
            // Nobody reads it, so it may say as much as it likes.
            let builder = if index == unread { builder.set("log.level", "debug") } else { builder };
            let builder = if index == few { with_few_descriptors(builder) } else { builder };
            certificates.first().into_iter().fold(builder, NodeBuilder::tls_with)
        };
        let mut nodes: Vec<Node> = (0..NODES).map(builder).map(NodeBuilder::launch).collect();
        nodes.iter().for_each(Node::wait_ready);
        // Not before: a node that waits for its log shall fail a verdict, which says more than a panic here.
        nodes[unread].leave_log();
        let fronts: Vec<Proxy> = nodes.iter().map(|node| Proxy::to(node.address())).collect();
        let server = |(node, front): (&Node, &Proxy)| Server { address: front.address(), admin: node.admin_address() };
        let servers: Vec<Server> = nodes.iter().zip(&fronts).map(server).collect();
        let haproxy = match transport {
            TransportKind::Plain => Haproxy::start(&servers),
            TransportKind::Tls | TransportKind::H2 | TransportKind::H2Tls => Haproxy::start_passing(&servers),
        };
        let clients = Proxy::to(haproxy.address());
        let publishers = Proxy::to(redis.address());
        Self {
            redis,
            replica,
            nodes,
            few,
            unread,
            verifying,
            _configuration: configuration,
            haproxy,
            transports: transport.transports(&certificates),
            certificates,
            clients,
            fronts,
            links,
            publishers,
            replication,
            direct,
        }
    }

    pub(crate) fn wire(&self, wire: Wire) -> &Proxy {
        match wire {
            Wire::Clients => &self.clients,
            Wire::Front(node) => &self.fronts[node],
            Wire::Redis(node) => &self.links[node],
            Wire::Publishers => &self.publishers,
            Wire::Replica => &self.replication,
        }
    }

    /// Where the harness finds the primary.
    pub(crate) fn primary(&self) -> SocketAddr {
        self.direct.address()
    }

    /// The replica takes the place of the primary, which is dead.
    pub(crate) fn promote(&mut self) {
        self.replica.lead();
        std::mem::swap(&mut self.redis, &mut self.replica);
        let leading = [&self.publishers, &self.replication, &self.direct].into_iter().chain(&self.links);
        leading.for_each(|wire| wire.retarget(self.redis.address()));
    }

    /// A dead replica starts again, and copies the primary.
    pub(crate) fn rejoin(&mut self) {
        self.replica.launch();
        self.replica.follow(self.replication.address());
    }

    /// All wires, to heal them.
    pub(crate) fn wires(&self) -> impl Iterator<Item = &Proxy> {
        [&self.clients, &self.publishers, &self.replication].into_iter().chain(&self.fronts).chain(&self.links)
    }
}

/// The configuration file of the nodes.
fn configuration() -> io::Result<NamedTempFile> {
    let file = NamedTempFile::with_suffix(".toml")?;
    std::fs::write(file.path(), promises::tables() + &tokens::tables())?;
    Ok(file)
}

/// The key that the nodes ask publishers for.
pub(crate) const PUBLISH_KEY: &str = "chaos-publishes-here";
/// One of the nodes tells clients that they lag when their next event is older than this, in milliseconds, and no longer in
/// memory.
pub(crate) const MAX_BEHIND_MS: u64 = 3_000;

/// A node with impatient settings, so that a minute holds many recoveries; some of them differ from node to node.
fn node(seed: u64, index: usize, redis: SocketAddr) -> NodeBuilder {
    let mut dice = Dice::of(seed, "node", index);
    let mut pick = |items: &[&str]| (*dice.pick(items)).to_owned();
    let impatient = index as u64 == seed % NODES as u64;
    let settings = [
        ("tail.channel_entries", pick(&["16", "64", "4096"])),
        ("channel.linger", pick(&["0s", "500ms", "30s"])),
        ("redis.reconcile_interval", pick(&["500ms", "2s", "5s"])),
        ("delivery.heartbeat", pick(&["1s", "3s"])),
        ("delivery.coalesce_ms", pick(&["0", "0", "5"])),
        ("archive.page_bytes", pick(&["4KiB", "16KiB", "256KiB"])),
        ("delivery.max_behind", if impatient { format!("{MAX_BEHIND_MS}ms") } else { "off".to_owned() }),
        ("redis.probe_interval", "300ms".to_owned()),
        ("redis.probe_timeout", "700ms".to_owned()),
        ("redis.command_timeout", "1s".to_owned()),
        ("redis.keyspace_notifications", "true".to_owned()),
        ("delivery.retry_ms", "300".to_owned()),
        ("delivery.subscribe_timeout", "2s".to_owned()),
        ("server.tcp_user_timeout", "7s".to_owned()),
        ("limits.event_bytes", EVENT_BYTES.to_string()),
        ("drain.window", "1s".to_owned()),
        ("drain.deadline", format!("{}s", DRAIN_DEADLINE.as_secs())),
        // So small that hostile clients reach them, and that memory has a bound worth its name.
        ("limits.channels_per_node", "1000".to_owned()),
        ("tail.budget", "64MiB".to_owned()),
        ("publish.key", PUBLISH_KEY.to_owned()),
    ];
    let url = format!("redis://{}:{}@{redis}", access::USER, access::PASSWORD);
    let builder = Node::builder_at(&url).log_pipe();
    settings.iter().fold(builder, |builder, (key, value)| builder.set(key, value))
}

/// Descriptors that a node with these settings and two core threads keeps for itself (docs/operations.md), and places for
/// clients, a quarter of them for refusals.
const FEW_DESCRIPTORS: usize = 128 + 2 * 4 + 8 + 96;

/// A node that may open few files, and lets silent sockets be silent for longer than operators may wait.
fn with_few_descriptors(builder: NodeBuilder) -> NodeBuilder {
    builder.descriptors(FEW_DESCRIPTORS).set("server.cores", "2").set("limits.head_timeout", "30s")
}
