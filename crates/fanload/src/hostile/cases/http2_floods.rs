//! Frames of HTTP/2 that ask for nothing, one kind on each connection.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};

use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::http2::{CONTINUATION, END_STREAM, HEADERS, Http2, PING, SETTINGS, WINDOW_UPDATE, frame, head};
use super::super::scene::{Ground, Scene};
use crate::admin;

pub(super) const CASE: Case = Case {
    name: "http2-floods",
    title: "five clients that send pings, settings, window updates, empty continuations of a head and heads of 1 MiB \
            without end, each over a new connection whenever the node has ended one",
    settings: &[],
    link: None,
    tls: false,
    run,
};

/// Bytes that are sent at once.
const BATCH: usize = 8 << 10;
/// Bytes of the largest head.
const HEAD: usize = 1 << 20;
/// Bytes of its field in one frame, which has 16 KiB at most.
const FIELD: usize = 16_000;

/// What a client sends.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Pings,
    Settings,
    WindowUpdates,
    Continuations,
    Head,
}

const KINDS: [Kind; 5] = [Kind::Pings, Kind::Settings, Kind::WindowUpdates, Kind::Continuations, Kind::Head];

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let calm = scene.undisturbed()?;
    let node = [ground.admin];
    let told = || admin::labelled(&node, "fanfare_http2_goaways_total", "enhance_your_calm");
    let counted = |frame| admin::labelled(&node, "fanfare_http2_floods_total", frame);
    let told_before = told()?;
    let (attacked, connections) = scene.attacked(|| {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let attackers: Vec<_> = KINDS.iter().map(|kind| scope.spawn(|| attack(&ground, *kind, &done))).collect();
            let rested = ground.stage.rest(ground.size.span());
            done.store(true, Ordering::Relaxed);
            let joined = attackers.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("an attacker panicked")));
            let connections = joined.sum::<Result<u32>>()?;
            rested.map(|()| f64::from(connections))
        })
    })?;
    Ok(vec![
        Figure::bound("p99 of others", attacked.latency_ms(0.99), "ms", Bound::Most(50.0))
            .beside(calm.latency_ms(0.99)),
        Figure::bound("growth of memory", attacked.growth_mb(), "MB", Bound::Most(16.0)),
        Figure::bound(
            "told ENHANCE_YOUR_CALM / connections",
            (told()? - told_before) / connections,
            "",
            Bound::Least(0.9),
        ),
        Figure::shown("CPU of the node", attacked.node_cpu_percent(), "%").beside(calm.node_cpu_percent()),
        Figure::shown("connections a second", connections / attacked.seconds, ""),
        Figure::shown("counted as floods of pings", counted("ping")?, ""),
        Figure::shown("counted as floods of settings", counted("settings")?, ""),
        Figure::shown("counted as floods of others", counted("other")?, ""),
    ])
}

/// Floods the node until `done`; says how many connections it has ended.
fn attack(ground: &Ground, kind: Kind, done: &AtomicBool) -> u32 {
    let mut ended = 0;
    let frames = frames(kind);
    while !done.load(Ordering::Relaxed) {
        let Ok(mut connection) = Http2::connect(ground.node, Ipv4Addr::LOCALHOST, &[]) else { continue };
        if matches!(kind, Kind::Continuations | Kind::Head) {
            // It ends with a flag that never comes.
            connection.send(&frame(HEADERS, END_STREAM, 1, &head("/")));
        }
        while !done.load(Ordering::Relaxed) {
            if !connection.send(&frames) {
                ended += 1;
                break;
            }
        }
    }
    ended
}

/// What is sent again and again.
fn frames(kind: Kind) -> Vec<u8> {
    let one = match kind {
        Kind::Pings => frame(PING, 0, 0, &[7; 8]),
        Kind::Settings => frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
        Kind::WindowUpdates => frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        Kind::Continuations => frame(CONTINUATION, 0, 1, &[]),
        Kind::Head => return frame(CONTINUATION, 0, 1, &field()).repeat(HEAD / FIELD + 1),
    };
    one.repeat(BATCH / one.len())
}

/// A field that is as long as a frame allows, and is not remembered.
fn field() -> Vec<u8> {
    // Lengths beyond 126 go on in steps of seven bits (RFC 7541, section 5.1).
    let rest = FIELD - 127;
    let length = [127, (rest % 128) as u8 | 0x80, (rest / 128) as u8];
    [&b"\x00\x07x-large"[..], &length, &vec![b'x'; FIELD]].concat()
}
