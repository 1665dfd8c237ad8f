//! Requests of many random names from one address.

use std::collections::VecDeque;
use std::io::Read as _;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::scene::{Ground, Scene};
use super::super::socket::Socket;
use super::super::stream::{self, Asked};

pub(super) const CASE: Case = Case {
    name: "random-channels",
    title: "6,000 (quick: 1,000) requests of 64 random channels each from one address; the node may follow 1,000",
    settings: &[("LIMITS__CHANNELS_PER_NODE", "1000")],
    link: None,
    tls: false,
    run,
};

/// Channels of one request.
const NAMES: usize = 64;
const THREADS: usize = 4;
/// Streams that one thread keeps open.
const OPEN: usize = 250;
/// How long an answer is waited for before its connection is closed.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(60);

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let requests = ground.size.pick(6_000, 1_000);
    let calm = scene.undisturbed()?.openings;
    let (attacked, (sent, seconds)) = scene.attacked(|| {
        let begun = Instant::now();
        let sent = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(|| ask(&ground, requests / THREADS, begun + LONGEST))).collect();
            let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("an attacker panicked")));
            joined.sum::<Result<usize>>()
        })?;
        Ok((sent, begun.elapsed().as_secs_f64()))
    })?;
    let opened = &attacked.openings;
    Ok(vec![
        Figure::bound("growth of memory", attacked.growth_mb(), "MB", Bound::Most(16.0)),
        Figure::bound("others open a channel with readers", opened.known.primed_ms(), "ms", Bound::Most(100.0))
            .beside(calm.known.primed_ms()),
        Figure::bound("others open a new channel", opened.new.primed_ms(), "ms", Bound::Most(100.0))
            .beside(calm.new.primed_ms()),
        Figure::shown("others that could not open", (opened.known.failed + opened.new.failed) as f64, ""),
        Figure::shown("requests", sent as f64, ""),
        Figure::shown("requests a second", sent as f64 / seconds, ""),
    ])
}

/// Asks again and again; says how often.
fn ask(ground: &Ground, requests: usize, deadline: Instant) -> usize {
    let (mut open, mut sent) = (VecDeque::new(), 0);
    while sent < requests && Instant::now() < deadline && ground.stage.check().is_ok() {
        let names = (0..NAMES).map(|_| format!("channel=r{:016x}", fastrand::u64(..)));
        let query = names.collect::<Vec<_>>().join("&");
        let asked = Asked::plain(ground.node, query);
        // A node that takes no more connections is a defence.
        if let Ok(socket) = stream::request(&asked, PATIENCE) {
            open.push_back(socket);
        }
        sent += 1;
        if open.len() > OPEN
            && let Some(oldest) = open.pop_front()
        {
            wait_for_answer(oldest);
        }
    }
    open.into_iter().take(OPEN / 10).for_each(wait_for_answer);
    sent
}

/// Waits for the first byte, so that the node has done its work before the connection closes.
fn wait_for_answer(mut socket: Socket) {
    if socket.set_read_timeout(Some(PATIENCE)).is_ok() {
        let _ = socket.read(&mut [0]);
    }
}
