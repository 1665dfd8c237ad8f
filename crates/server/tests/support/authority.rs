//! A node's certificate, and clients that believe it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use fanfare_server::{ListenOptions, Options};
use fanfare_tls::Identity;
use fanfare_tls::testing::SelfSigned;
use rustls::{ClientConfig, SupportedProtocolVersion};

use super::Node;

/// What a node shows, and who believes it.
pub struct Authority {
    pub identity: Arc<Identity>,
    shown: SelfSigned,
    /// What its clients show, if they are asked.
    client: Option<SelfSigned>,
}

impl Authority {
    pub fn new() -> Self {
        Self::offering(&[])
    }

    /// One whose clients have to show a certificate for `device-7`, and do.
    pub fn asking(protocols: &[&[u8]]) -> Self {
        let (shown, client) = (SelfSigned::new("localhost"), SelfSigned::new("device-7"));
        let mut config = shown.server_asking_for(&client);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self { identity: Arc::new(Identity::new(config)), shown, client: Some(client) }
    }

    /// One whose listener offers these protocols (ALPN).
    pub fn offering(protocols: &[&[u8]]) -> Self {
        let shown = SelfSigned::new("localhost");
        let mut config = shown.server();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self { identity: Arc::new(Identity::new(config)), shown, client: None }
    }

    /// The same listener shows another certificate from now on.
    pub fn succeed(&self) -> Self {
        let shown = SelfSigned::new("localhost");
        self.identity.replace(shown.server());
        Self { identity: Arc::clone(&self.identity), shown, client: None }
    }

    pub fn listen(&self) -> ListenOptions {
        ListenOptions { tls: Some(Arc::clone(&self.identity)), ..SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into() }
    }

    pub fn node(&self, change: impl FnOnce(&mut Options)) -> Node {
        Node::start(|options| {
            options.listeners = vec![self.listen()];
            change(options);
        })
    }

    /// A client that believes it, and speaks this version.
    pub fn config(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        match &self.client {
            Some(client) => self.shown.client_showing(version, client),
            None => self.shown.client(version),
        }
    }
}
