//! Says in the log when the application gives no clear answers, and when it does again.

use std::sync::Arc;

use fanfare_auth::Forward;
use fanfare_protocol::limits::ASK_LOG_INTERVAL;
use tracing::{info, warn};

/// Looks for ever. Dropping it ends it at any time.
pub(super) async fn run(forward: Arc<Forward>) {
    let mut has_failed = false;
    loop {
        let error = forward.status().last_error;
        match &error {
            Some(error) if !has_failed => {
                warn!(%error, "the application that decides about requests gives no clear answer");
            }
            None if has_failed => info!("the application that decides about requests answers again"),
            Some(_) | None => {}
        }
        has_failed = error.is_some();
        tokio::time::sleep(ASK_LOG_INTERVAL).await;
    }
}
