//! All that is known of a node, as JSON.

use serde_json::{Value, json};

use super::listed_channel::ListedChannel;
use super::resident_memory;
use super::subject::Subject;
use crate::metrics::Samples;

/// All that is known of the node.
pub(super) async fn collect(subject: &impl Subject) -> Value {
    let channels: Vec<_> = subject.top_channels().await.iter().map(ListedChannel::to_json).collect();
    let mut samples = Samples::default();
    subject.collect(&mut samples);
    let mut metrics = samples.to_json();
    // The process's own figures are collected for scrapes; counting its descriptors every second would cost too much.
    if let (Value::Object(metrics), Some(resident)) = (&mut metrics, resident_memory::bytes()) {
        metrics.insert("process_resident_memory_bytes".to_owned(), resident.into());
    }
    json!({
        "node": subject.identity(),
        "health": subject.health().to_json(),
        "channels": channels,
        "metrics": metrics,
    })
}
