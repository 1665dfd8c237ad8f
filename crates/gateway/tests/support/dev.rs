//! `fanfare dev`: two nodes, a publisher and the page.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// `fanfare dev` on free ports. Killed when it is dropped.
pub(crate) struct Dev {
    process: Child,
    /// Where the page is.
    pub(crate) page: String,
    /// Where the first node serves clients.
    pub(crate) node: SocketAddr,
    /// Where the first node shows its status.
    pub(crate) status: String,
}

impl Dev {
    pub(crate) fn start() -> Self {
        let free = "127.0.0.1:0,127.0.0.1:0";
        let mut process = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["dev", "--listen", "127.0.0.1:0", "--nodes", free, "--admin", free])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let page = lines.next().unwrap().strip_prefix("page").unwrap().trim().to_owned();
        let node = lines.next().unwrap();
        let mut urls = node.split_whitespace().filter(|word| word.starts_with("http://")).map(ToOwned::to_owned);
        let (clients, status) = (urls.next().unwrap(), urls.next().unwrap());
        let node = clients.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        // The last line says that everything listens.
        assert!(lines.any(|line| line.starts_with("try")), "fanfare dev did not start");
        Self { process, page, node, status }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
