//! Counters of Fanfare's nodes, from `/metrics` of their admin listeners.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(10);
const LARGEST: u64 = 16 << 20;
/// What the names of Fanfare's metrics begin with.
const OURS: &str = "fanfare_";

/// Reads of Redis Streams by all nodes since they started. `None` without nodes.
///
/// # Errors
/// When a node does not answer.
pub(crate) fn archive_reads(nodes: &[SocketAddr]) -> Result<Option<f64>> {
    sum(nodes, "fanfare_archive_reads_total")
}

/// Whether it is the admin listener of a node.
///
/// # Errors
/// When it is not, or does not answer.
pub(crate) fn check(node: SocketAddr) -> Result<()> {
    let text = scrape(node).with_context(|| format!("--admin: the metrics of {node} cannot be read"))?;
    if !text.lines().any(|line| line.starts_with(OURS)) {
        bail!("--admin: {node} is no admin listener of Fanfare: among its metrics is none that begins with {OURS}");
    }
    Ok(())
}

/// The sum of all samples of a metric over all nodes. `None` without nodes.
///
/// # Errors
/// When a node does not answer.
pub(crate) fn sum(nodes: &[SocketAddr], name: &str) -> Result<Option<f64>> {
    if nodes.is_empty() {
        return Ok(None);
    }
    let mut total = 0.0;
    for node in nodes {
        let text = scrape(*node).with_context(|| format!("the metrics of {node} cannot be read"))?;
        total += sum_in(&text, name);
    }
    Ok(Some(total))
}

/// The sum of the samples of a metric over all nodes that have this value in one of their labels.
///
/// # Errors
/// When a node does not answer.
pub(crate) fn labelled(nodes: &[SocketAddr], name: &str, label: &str) -> Result<f64> {
    let mut total = 0.0;
    for node in nodes {
        let text = scrape(*node).with_context(|| format!("the metrics of {node} cannot be read"))?;
        total += labelled_in(&text, name, label);
    }
    Ok(total)
}

fn labelled_in(text: &str, name: &str, label: &str) -> f64 {
    let value = format!("\"{label}\"");
    let with_label = text.lines().filter(|line| line.split(' ').next().is_some_and(|sample| sample.contains(&value)));
    with_label.map(|line| sum_in(line, name)).sum()
}

fn sum_in(text: &str, name: &str) -> f64 {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let of_this_name = rest.starts_with(' ') || rest.starts_with('{');
        of_this_name.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
    });
    samples.sum()
}

fn scrape(node: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&node, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0, so that the answer is neither chunked nor kept open.
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {node}\r\n\r\n")?;
    let mut text = String::new();
    stream.take(LARGEST).read_to_string(&mut text)?;
    if !text.starts_with("HTTP/1.") || !text.contains(" 200 ") {
        bail!("it answers {:?}", text.lines().next().unwrap_or_default());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_of_one_metric_are_added_up_over_their_labels() {
        let text = "# HELP reads_total x\nreads_total{purpose=\"head\"} 3\nreads_total{purpose=\"page\"} 4\nreads_total_other 9\nreads 1\n";
        assert_eq!(super::sum_in(text, "reads_total").to_bits(), 7_f64.to_bits());
        assert_eq!(super::labelled_in(text, "reads_total", "page").to_bits(), 4_f64.to_bits());
    }
}
