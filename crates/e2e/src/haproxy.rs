//! One `haproxy` in front of nodes, without stickiness, configured like `deploy/haproxy/haproxy.cfg`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::http::RawConnection;
use crate::ports::Lease;
use crate::process::{bound, spawn};
use crate::wait::eventually;

/// A running balancer. Killed on drop.
#[derive(Debug)]
pub struct Haproxy {
    lease: Lease,
    _directory: TempDir,
    child: Child,
}

/// A node as the balancer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Where it serves clients; may be a proxy in front of it.
    pub address: SocketAddr,
    /// Where it tells its readiness.
    pub admin: SocketAddr,
}

impl Haproxy {
    /// Starts in front of these nodes, reads requests, and waits until it accepts.
    pub fn start(servers: &[Server]) -> Self {
        Self::start_with(|listen| configuration(listen, servers))
    }

    /// Starts in front of these nodes and passes bytes on as they are, for clients that speak TLS with nodes.
    pub fn start_passing(servers: &[Server]) -> Self {
        Self::start_with(|listen| passing_configuration(listen, servers))
    }

    fn start_with(configuration: impl FnOnce(SocketAddr) -> String) -> Self {
        let directory = tempfile::Builder::new().prefix("fanfare-e2e-haproxy").tempdir().expect("a directory");
        let lease = Lease::take();
        let later = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/haproxy/later.http");
        fs::copy(&later, directory.path().join("later.http")).expect("the answer of deploy/haproxy");
        let file = directory.path().join("haproxy.cfg");
        fs::write(&file, configuration(lease.address())).expect("a file");
        let mut command = bound("haproxy");
        command.args(["-db", "-q", "-f"]).arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = spawn(command).expect("setpriv (util-linux) is installed");
        eventually("haproxy to accept", || {
            let ended = child.try_wait().expect("a child to ask about");
            assert!(ended.is_none(), "haproxy is not installed (scripts/setup.sh haproxy) or ended at once: {ended:?}");
            RawConnection::open(lease.address()).ok()
        });
        Self { lease, _directory: directory, child }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.lease.address()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended by itself; both calls are then harmless.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What both configurations begin with. Small buffers, so that a slow client is soon felt by its node.
const GLOBAL: &str = "global
    default-path config
    maxconn 4000
    tune.rcvbuf.server 16384
    tune.sndbuf.client 16384
    hard-stop-after 1s

defaults
    timeout connect 1s
    timeout http-request 5s
    timeout client 20s
    timeout server 20s
    timeout check 1s
    retries 3
    option redispatch 1
    option clitcpka
    option srvtcpka
";

/// What every backend says of its nodes.
fn nodes(servers: &[Server]) -> String {
    let servers = servers.iter().enumerate().map(|(index, Server { address, admin })| {
        let (ip, port) = (admin.ip(), admin.port());
        format!("    server node{index} {address} check addr {ip} port {port} inter 300ms fall 2 rise 1\n")
    });
    let checks = "    balance roundrobin
    option httpchk
    http-check send meth GET uri /readyz
    http-check expect status 200
";
    checks.to_owned() + &servers.collect::<String>()
}

fn configuration(listen: SocketAddr, servers: &[Server]) -> String {
    let nodes = nodes(servers);
    format!(
        "{GLOBAL}    mode http

frontend all
    bind {listen}
    use_backend streams if {{ path /events }}
    default_backend nodes

backend streams
    retry-on conn-failure empty-response
    errorfile 502 later.http
    errorfile 503 later.http
    errorfile 504 later.http
{nodes}
backend nodes
{nodes}"
    )
}

/// What TLS protects cannot be read: a client whose node is away is not told so, but sees its connection end.
fn passing_configuration(listen: SocketAddr, servers: &[Server]) -> String {
    let nodes = nodes(servers);
    format!(
        "{GLOBAL}    mode tcp

frontend all
    bind {listen}
    default_backend nodes

backend nodes
{nodes}"
    )
}
