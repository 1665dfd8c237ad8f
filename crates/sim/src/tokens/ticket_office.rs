//! The application that makes tickets for its clients, by a node and as a node does: only chance comes from the seed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_auth::{Grant, TICKET_ISSUER, Ticket, TicketMaker, TicketOrder, UnixSeconds};
use fanfare_log::TicketStore as _;
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{TICKET_LIFETIME_MIN, TICKET_SECRET_BYTES, TOKEN_LIFETIME_MIN};
use tokio::time::sleep;

use super::access::{Access, ISSUER};
use super::token::{IssuedTicket, Token};
use crate::WALL_MS;
use crate::rng::Rng;
use crate::world::World;

/// Who makes tickets with a token: two services of the application.
pub(crate) const MAKERS: [&str; 2] = ["maker 0", "maker 1"];

/// How soon a ticket has to be used, in seconds.
const TTL: [u64; 3] = [1, 5, 20];

/// Makes a ticket for a client. `None`: the node said that it could not, or said nothing. A page that has it may take its time before it is
/// used.
pub(crate) async fn make(
    world: &World,
    access: &Access,
    client: usize,
    channels: &[ChannelName],
    rng: &mut Rng,
) -> Option<Token> {
    let store = world.nodes[rng.below(world.nodes.len())].tickets()?;
    let ttl = Duration::from_secs(TTL[rng.below(TTL.len())]);
    let longest = (TOKEN_LIFETIME_MIN - ttl - TICKET_LIFETIME_MIN).as_secs();
    let lifetime = TICKET_LIFETIME_MIN + Duration::from_secs(rng.number() % (longest + 1));
    let (subject, maker) = (Access::subject_of(client), rng.chance(500).then(|| MAKERS[rng.below(MAKERS.len())]));
    let secret = [rng.number().to_be_bytes(), rng.number().to_be_bytes()].concat();
    let dawdles = !world.is_calm() && rng.chance(150);
    let made_at = UnixSeconds(store.now_ms().await.ok()? / 1_000);
    let order =
        TicketOrder { channels: channels.to_vec(), subject: Some(subject.clone().into()), ttl, lifetime, from: None };
    let over_at = u32::try_from(order.over_at(made_at).0).unwrap_or(u32::MAX);
    let bytes = [&secret[..TICKET_SECRET_BYTES], &over_at.to_be_bytes()].concat();
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let name = Ticket::parse(&text)?.name();
    let of_maker = maker.map(|maker| {
        let issuer = Some(ISSUER.into());
        let grant = Grant { issuer, subject: Some(maker.into()), issued_at: Some(made_at), ..Grant::default() };
        TicketMaker::of(&grant)
    });
    let record = order.into_record(made_at, of_maker).encode();
    store.make(name, record, ttl).await.ok()?;
    if dawdles {
        tokio::select! {
            biased;
            () = sleep(2 * rng.up_to_ms(u64::try_from(ttl.as_millis()).unwrap_or(0))) => {}
            () = world.calm() => {}
        }
    }
    let token = Token {
        text,
        issuer: TICKET_ISSUER,
        subject,
        id: name.to_string(),
        issued_at: Some(made_at.0),
        expires_ms: (u64::from(over_at) * 1_000).saturating_sub(WALL_MS),
        ticket: Some(IssuedTicket { name, maker: maker.map(|maker| (maker, made_at.0)) }),
    };
    access.hand_out(client, &token);
    Some(token)
}
