//! A node in this process, and its admin listener.

use std::net::SocketAddr;
use std::sync::Arc;

use fanfare_gateway::admin::Admin;
use fanfare_gateway::config::Config;
use fanfare_gateway::http;
use fanfare_gateway::node::{Node, Store, memory};
use fanfare_gateway::process::Process;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Archive, Desired, FeedSink, Publisher};
use serde_json::Value;
use tokio::sync::oneshot;

use super::get;

/// A node with its admin listener on a thread of its own, over an in-process store unless a test brings another.
pub(crate) struct Rig {
    pub(crate) store: MemoryStore,
    node: Option<Node>,
    pub(crate) admin: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
}

impl Rig {
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        let store = MemoryStore::default();
        let followed = store.clone();
        let mut rig = Self::over(change, move |_, desired, sink| Ok(memory(&followed, desired, sink)));
        rig.store = store;
        rig
    }

    pub(crate) fn over<A: Archive, P: Publisher>(
        change: impl FnOnce(&mut Config),
        store: impl FnOnce(&Config, Desired, FeedSink) -> anyhow::Result<Store<A, P>>,
    ) -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.cores = 1;
        change(&mut config);
        let node = Node::start(&config, &Process::default(), |desired, sink, _| store(&config, desired, sink)).unwrap();
        let handler = Arc::new(Admin::new(Arc::clone(node.view())).unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = http::bind("127.0.0.1:0".parse().unwrap(), "test").unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                http::serve(listener, handler, async { drop(stopped.await) }).await;
            });
        });
        Self { store: MemoryStore::default(), node: Some(node), admin: told.recv().unwrap(), stop: Some(stop) }
    }

    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = get(self.admin, path);
        (status, serde_json::from_str(&body).unwrap())
    }

    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, body) = get(self.admin, "/metrics");
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.node.take().unwrap().shut_down();
    }
}
