//! Somebody who may `PUBLISH` and forges what he pleases, where no node believes messages: whatever reaches a client of it is a breach,
//! since nobody has published it.

use std::rc::Rc;

use fanfare_protocol::EntryId;
use tokio::time::sleep;

use crate::PREFIX;
use crate::rng::Rng;
use crate::world::World;

/// Forges until the faults are over.
pub(crate) async fn run(world: Rc<World>, mut rng: Rng) {
    loop {
        sleep(rng.up_to_ms(2_000)).await;
        if world.is_quiet() {
            return;
        }
        if !world.redis.lock().is_up() {
            continue;
        }
        let channel = &world.channels[rng.below(world.channels.len())];
        let ids = world.redis.lock().ids_of(channel.as_str());
        let last = ids.last().copied().unwrap_or(EntryId::ZERO);
        // What would follow, what would create the stream, and an entry there is with another text.
        let (id, prev) = match rng.below(4) {
            0 => (EntryId { ms: world.redis.lock().now_ms(), seq: 7 }, EntryId::ZERO),
            1 if ids.len() > 1 => (last, ids[ids.len() - 2]),
            _ => (EntryId { ms: last.ms, seq: last.seq + 1 + rng.below(3) as u64 }, last),
        };
        if prev < id {
            let forged = format!("\u{1e}ff1 {id} {prev} 0\nFORGED");
            world.trace.note(|| format!("{id} after {prev} of {channel} is forged"));
            world.redis.command(&["PUBLISH", &format!("{PREFIX}{channel}"), &forged]);
        }
    }
}
