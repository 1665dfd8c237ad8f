//! What one stream is told of numbers of readers.

use std::collections::BTreeMap;

use fanfare_oracle::Dispatch;
use serde_json::Value;
use tokio::time::{Duration, Instant};

/// The least between two numbers of one channel: a second, and what a node may take less from one round to the next.
const PAUSE: Duration = Duration::from_millis(900);

/// What a stream was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// It asked for that.
    pub(crate) asked: bool,
    /// What it follows.
    channels: Vec<String>,
    /// The latest number of each channel, and when it came.
    latest: BTreeMap<String, (Instant, u64)>,
}

impl Told {
    pub(crate) fn new(asked: bool, channels: Vec<String>) -> Self {
        Self { asked, channels, ..Self::default() }
    }

    /// The latest number of a channel.
    pub(crate) fn latest(&self, channel: &str) -> Option<u64> {
        self.latest.get(channel).map(|(_, readers)| *readers)
    }

    /// Takes an event, if it is one about readers. `reads_at_once`: it was said when it came. Returns what is wrong with it.
    pub(crate) fn take(&mut self, event: &Dispatch, reads_at_once: bool) -> Option<String> {
        if event.event != "$occupancy" {
            return None;
        }
        let said: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let (Some(channel), Some(readers)) = (said["channel"].as_str(), said["readers"].as_u64()) else {
            return Some(format!("was told of readers by {:?}", event.data));
        };
        if !self.asked {
            return Some(format!("was told of {readers} readers, and did not ask"));
        }
        if event.own_id.is_some() || !self.channels.iter().any(|own| own == channel) {
            return Some(format!("was told of {readers} readers of {channel} with the id {:?}", event.own_id));
        }
        let now = Instant::now();
        let (before, latest) = self.latest.insert(channel.to_owned(), (now, readers))?;
        if latest == readers {
            return Some(format!("was told twice of {readers} readers of {channel}"));
        }
        let since = now - before;
        (reads_at_once && since < PAUSE).then(|| format!("was told of readers of {channel} twice within {since:?}"))
    }
}
