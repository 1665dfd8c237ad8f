//! Sockets that send nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::scene::Scene;
use super::super::socket;
use crate::reading::Reading;

pub(super) const CASE: Case = Case {
    name: "silent",
    title: "9,000 (quick: 4,000) sockets that send nothing, against 1,000",
    settings: &[("LIMITS__HEAD_TIMEOUT", "5m")],
    link: None,
    tls: false,
    run,
};

/// Sockets before the first reading.
const BASELINE: usize = 1_000;
/// How long a connect may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The node's time to take the last ones.
const SETTLE: Duration = Duration::from_secs(1);

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let total = ground.size.pick(9_000, 4_000);
    scene.undisturbed()?;
    let (attacked, (bytes, held)) = scene.attacked(|| {
        let mut sockets = Vec::with_capacity(total);
        open(ground.node, BASELINE, &mut sockets)?;
        ground.stage.rest(SETTLE)?;
        let (first, held) = (Reading::take(&[ground.pid])?.rss, socket::count_open(&sockets));
        open(ground.node, total - BASELINE, &mut sockets)?;
        ground.stage.rest(SETTLE)?;
        let (second, held_then) = (Reading::take(&[ground.pid])?.rss, socket::count_open(&sockets));
        Ok((slope((held, first), (held_then, second)), held_then))
    })?;
    Ok(vec![
        Figure::bound("memory of a silent socket", bytes, "bytes", Bound::Most(2_048.0)),
        Figure::shown("sockets still open / all", held as f64 / total as f64, ""),
        Figure::shown("p99 of others", attacked.latency_ms(0.99), "ms"),
    ])
}

/// Bytes of each socket between two readings. The node may have closed some, which then cost nothing.
fn slope(first: (usize, u64), second: (usize, u64)) -> f64 {
    let sockets = second.0.saturating_sub(first.0).max(1);
    second.1.saturating_sub(first.1) as f64 / sockets as f64
}

fn open(node: SocketAddr, count: usize, sockets: &mut Vec<TcpStream>) -> Result<()> {
    for _ in 0..count {
        // As in every case: the attacker has one address.
        sockets.push(socket::connect(node, Ipv4Addr::LOCALHOST, PATIENCE)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    // Seen to fail when all sockets are divided by, not those that came between the readings.
    #[test]
    fn the_slope_is_about_the_sockets_between_the_readings() {
        assert_eq!(super::slope((1_000, 5_000_000), (3_000, 9_000_000)), 2_000.0);
        assert_eq!(super::slope((1_000, 5_000_000), (1_000, 5_000_000)), 0.0, "the node has closed the others");
    }
}
