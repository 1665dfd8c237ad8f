//! A stranger who asks for whatever costs a node or its Redis the most, and leaves when it likes. What it reads is of no interest.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use fanfare_protocol::limits::CHANNELS_PER_CONNECTION_DEFAULT;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::names::CROWD;
use crate::net::End;
use crate::rng::Rng;
use crate::world::{STOCK, World};

/// All strangers come from here: who makes up names from many addresses is many payers, and finds as many shares.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));

/// Asks and leaves until the world ends.
pub(crate) async fn run(world: Rc<World>, number: usize, mut rng: Rng) {
    for count in 0.. {
        sleep(rng.up_to_ms(400)).await;
        let node = rng.below(world.nodes.len());
        let request = draw(&world, &format!("h{number}-{count}"), &mut rng);
        world.trace.note(|| format!("stranger {number} asks node {node}: {:?}", request.lines().next()));
        visit(&world, node, &request, &mut rng).await;
    }
}

/// Connections of a crowd.
const CROWD_CONNECTIONS: usize = 24;

/// A crowd: many connections at once to one node, each of which asks for as many channels as it may that nobody has asked for before,
/// and for what there was last in them. One reads the stock. They stay until they are dropped.
pub(crate) async fn crowd(world: &World, node: usize, round: usize) -> Vec<End> {
    let mut ends = Vec::new();
    for number in 0..CROWD_CONNECTIONS {
        let target = match number {
            0 => format!("channel={STOCK}"),
            _ => format!("{}&last=3", made_up(&format!("{CROWD}{round}-{number}"), CHANNELS_PER_CONNECTION_DEFAULT)),
        };
        let Some(mut end) = world.nodes[node].connect(65_536, ADDRESS) else { continue };
        let request = format!("GET /events?{target} HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n\r\n");
        if end.write_all(request.as_bytes()).await.is_ok() {
            ends.push(end);
        }
    }
    ends
}

/// So many channels of names that nobody has used before.
fn made_up(unique: &str, count: usize) -> String {
    let names: Vec<_> = (0..count).map(|part| format!("channel={unique}-{part}")).collect();
    names.join("&")
}

/// A request.
fn draw(world: &World, unique: &str, rng: &mut Rng) -> String {
    let many = |word: &str, rng: &mut Rng| {
        made_up(&format!("{word}-{unique}"), 1 + rng.below(CHANNELS_PER_CONNECTION_DEFAULT))
    };
    let target = match rng.below(8) {
        0 => many("stranger", rng),
        1 => many("forbidden", rng),
        2 => many("locked", rng),
        3 => format!("channel={STOCK}&last={}", rng.below(31)),
        4 => format!("{}&last={}", many("stranger", rng), rng.below(31)),
        _ => format!("channel={STOCK}"),
    };
    let resume = match rng.chance(700) {
        true => format!("Last-Event-ID: {}\r\n", position(world, rng)),
        false => String::new(),
    };
    format!("GET /events?{target} HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n{resume}\r\n")
}

/// A position that is old, wrong, impossible, or none.
fn position(world: &World, rng: &mut Rng) -> String {
    let ids = world.redis.lock().ids_of(STOCK);
    let Some(id) = ids.get(rng.below(ids.len())) else { return "0-0".into() };
    match rng.below(20) {
        0 => "0-1".into(),
        1 => format!("{}-{}", u64::MAX, u64::MAX),
        2 => format!("{}-7", id.ms.saturating_sub(1)),
        3 => format!("~{}.AAAA", id.ms),
        4 => "v1.nobody.wrote.this".into(),
        5..12 => ids.first().unwrap_or(id).to_string(),
        _ => id.to_string(),
    }
}

/// One connection: hangs up after any byte of the request, or of the answer, or after a while.
async fn visit(world: &World, node: usize, request: &str, rng: &mut Rng) {
    let Some(mut end) = world.nodes[node].connect(65_536, ADDRESS) else { return };
    let said = if rng.chance(200) { rng.below(request.len()) } else { request.len() };
    if end.write_all(&request.as_bytes()[..said]).await.is_err() {
        return;
    }
    let mut left = [0, 300, 60_000, usize::MAX][rng.below(4)];
    let leaves_at =
        Instant::now() + rng.up_to_ms(if left == usize::MAX { 5_000 } else { 1_500 }) + Duration::from_millis(1);
    let mut buffer = vec![0; 65_536];
    while left > 0 {
        match timeout_at(leaves_at, end.read(&mut buffer)).await {
            Ok(Ok(count @ 1..)) => left = usize::saturating_sub(left, count),
            _ => return,
        }
    }
}
