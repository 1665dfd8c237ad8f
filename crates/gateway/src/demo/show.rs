//! The show, whatever it stands on: the page is served and the host's figures are published until a signal ends it.

use std::sync::Arc;

use anyhow::Context as _;
use fanfare_log::Publisher;
use tokio::net::TcpListener;

use super::page::Page;
use super::publisher;
use crate::http;
use crate::signals::{Ask, Signals};

/// Serves the page and publishes until `stop` resolves.
pub(super) async fn show<P: Publisher>(
    listener: TcpListener,
    page: Page,
    publisher: P,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    tokio::select! {
        () = http::serve(listener, Arc::new(page), stop) => Ok(()),
        error = publisher::run(publisher) => Err(error).context("the demonstration cannot publish"),
    }
}

/// Resolves when a signal asks for the end.
pub(super) async fn ended(signals: &mut Signals) {
    loop {
        match signals.next().await {
            Ask::End { .. } => return,
            Ask::Reload => tracing::info!("the demonstration has nothing to reload"),
            Ask::Nothing { name } => tracing::warn!(signal = name, "ignored a signal that means nothing here"),
        }
    }
}
