//! An operator who revokes what clients are allowed by: through a node, or by a command of his own.

use std::rc::Rc;

use fanfare_auth::RevocationTarget;
use fanfare_protocol::EntryId;
use tokio::time::sleep;

use super::access::Access;
use crate::OWN_LOG;
use crate::redis::Reply;
use crate::rng::Rng;
use crate::world::World;

/// How often he tries to write one.
const TRIES: usize = 3;

/// Revokes until the faults are over.
pub(crate) async fn run(world: Rc<World>, clients: usize, mut rng: Rng) {
    let Some(access) = &world.access else { return };
    let pace = [700, 2_000, 6_000][rng.below(3)] * world.scenario.hardships.slowness();
    loop {
        sleep(rng.up_to_ms(pace)).await;
        if world.is_quiet() {
            return;
        }
        revoke_one(&world, access, clients, &mut rng).await;
    }
}

/// Revokes something of some client, if Redis can be reached.
pub(crate) async fn revoke_one(world: &World, access: &Access, clients: usize, rng: &mut Rng) {
    let of_channel = || RevocationTarget::Channel(world.channels[0].clone());
    let target = if rng.chance(150) { Some(of_channel()) } else { access.something_of(rng.below(clients), rng) };
    let Some(target) = target else { return };
    for _ in 0..TRIES {
        if revoke(world, access, &target, rng).await {
            access.counts.borrow_mut().revocations += 1;
            return;
        }
    }
}

/// Whether that is acknowledged.
async fn revoke(world: &World, access: &Access, target: &RevocationTarget, rng: &mut Rng) -> bool {
    let entry = access.entry(target.clone());
    if rng.chance(600) {
        let stored = world.nodes[rng.below(world.nodes.len())].append(entry).await;
        stored.into_iter().for_each(|id| access.record.acknowledge(id));
        world.trace.note(|| format!("{target:?} is revoked through a node: {stored:?}"));
        return stored.is_some();
    }
    if !world.redis.lock().is_up() {
        return false;
    }
    let keep_ms = u64::try_from(entry.keep.as_millis()).unwrap_or(u64::MAX);
    let oldest = world.redis.lock().now_ms().saturating_sub(keep_ms).to_string();
    let data = String::from_utf8_lossy(&entry.data);
    let added = world.redis.command(&["XADD", OWN_LOG, "MINID", "~", &oldest, "*", "data", &data]);
    let id = match &added {
        Reply::Bulk(id) => str::from_utf8(id).ok().and_then(|id| id.parse::<EntryId>().ok()),
        _ => None,
    };
    if let Some(id) = id {
        world.redis.command(&["PUBLISH", OWN_LOG, ""]);
        access.record.acknowledge(id);
    }
    world.trace.note(|| format!("{target:?} is revoked by a command: {id:?}"));
    id.is_some()
}
