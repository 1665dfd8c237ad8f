//! The beginning of a session: its channels open, its cursors get their places, and the stream begins.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use fanfare_auth::Grant;
use fanfare_log::{NoPlace, Payer, ReaderId, Start};
use fanfare_protocol::{ChannelName, ChannelTag, EntryId, Gap, GapReason, LastEventId, Position, block};
use tokio::time::Instant;

use super::channels::Channels;
use super::many::Many;
use super::subscribed::Subscribed;
use super::telling::Telling;
use crate::answer::Answer;
use crate::core::Core;
use crate::end::EndReason;
use crate::sessions::SessionSlot;
use crate::subscription::Subscription;

/// Why a session could not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The node drains.
    Draining,
    /// The client's grant ends before the stream could begin.
    Expired,
    /// The client's grant was revoked before the stream could begin.
    Revoked,
    /// The channels were not open in time: the store is away.
    Timeout,
    /// The store refuses a channel, or the node has no place for it.
    Channel(String),
    /// The key of this channel holds another type than a stream.
    WrongType(ChannelName),
}

/// What a session is started with: a subscription that was admitted, and what its client is answered.
pub struct Subscribe<P> {
    /// What the client asked for.
    pub subscription: Subscription,
    /// Who pays for what the subscription causes.
    pub payer: Payer,
    /// The head of the stream.
    pub head: Answer,
    /// The answer in its place if the session cannot begin.
    pub refuse: Box<dyn FnOnce(Refusal) -> Answer>,
    /// What the client is allowed by, if it needs a grant: the session ends before it does.
    pub grant: Option<Box<Grant>>,
    /// Dropped when the session ends.
    pub permit: P,
}

/// How a stream begins.
pub(super) struct Beginning {
    pub(super) head: Answer,
    /// The first blocks.
    pub(super) blocks: Vec<u8>,
    pub(super) telling: Telling,
}

/// What is only needed until the stream has begun.
pub(super) struct Opening {
    names: Vec<ChannelName>,
    /// Channels, by index, that do not start at the position that the client named: it is not known, or too old.
    unknown: Vec<(usize, Option<Position>)>,
    ready: bool,
    place: bool,
    head: Answer,
    refuse: Box<dyn FnOnce(Refusal) -> Answer>,
    /// A channel has no place on this node: the session ends before it begins.
    no_place: Option<NoPlace>,
    began: Instant,
    /// Set when the channels are not open at once.
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Opening {
    /// Opens the channels and gives each cursor the place that the client asked for.
    /// A client whose grant is over opens nothing: it is refused when it is polled.
    pub(super) fn begin<P>(core: &Rc<Core>, session: SessionSlot, subscribe: Subscribe<P>) -> (Self, Channels, P) {
        let Subscribe { mut subscription, payer, head, refuse, grant, permit } = subscribe;
        let mut names = std::mem::take(&mut subscription.channels);
        if grant.is_some_and(|grant| !is_good(core, session, &grant, &names)) {
            names.clear();
        }
        names.sort_by_cached_key(ChannelTag::of);
        let Subscription { resume, from, last, names_channels, .. } = &subscription;
        let positions = positions(&names, resume.as_ref());
        let begins = from.as_ref().map(|from| from.resolve(&names)).unwrap_or_default();
        let has_place = resume.is_some() || from.is_some();
        let mut unknown = Vec::new();
        let mut subscribed = Vec::with_capacity(names.len());
        let mut no_place = None;
        for (index, name) in names.iter().enumerate() {
            let begin = begins.get(index).copied().flatten().filter(|position| !is_too_old(core, *position));
            let start = match positions.get(index).copied().flatten() {
                Some(position) if !is_too_old(core, position) => Some(Start::At(position)),
                None if resume.is_none() && begin.is_some() => begin.map(Start::At),
                // A position without this channel may have lost it, so it is told also if the channel does not begin now.
                position if has_place => {
                    unknown.push((index, position));
                    begin.map(Start::At)
                }
                _ => last.map(|count| Start::Newest(u32::try_from(count).unwrap_or(u32::MAX))),
            };
            let channel = u8::try_from(index).expect("requests have at most CHANNELS_PER_CONNECTION_MAX channels");
            match core.log.open(name, start, ReaderId { session, channel }, payer) {
                Ok((view, cursor)) => subscribed.push((ChannelTag::of(name), Subscribed { view, cursor })),
                Err(error) => {
                    // Those that are open already are left when the session ends.
                    no_place = Some(error);
                    break;
                }
            }
        }
        if subscription.occupancy {
            let tallies = subscribed.iter().filter_map(|(_, each)| core.log.tally(each.view)).collect();
            core.watchers.insert(session, tallies, core.log.occupancy());
        }
        let channels = match subscribed.len() {
            1 if !names_channels => Channels::One(subscribed.swap_remove(0).1),
            _ => Channels::Many(Many::new(subscribed)),
        };
        let Subscription { ready, place, .. } = subscription;
        let began = Instant::now();
        (Self { names, unknown, ready, place, head, refuse, no_place, began, deadline: None }, channels, permit)
    }

    /// Waits until the channels are open and every cursor has its place; as long as the node does not drain and
    /// `subscribe_timeout` has not passed.
    pub(super) fn poll(
        &mut self,
        core: &Core,
        ended: Option<EndReason>,
        channels: &mut Channels,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Refusal>> {
        let draining = core.is_draining().then_some(EndReason::Drain);
        // One whose grant is in doubt has been allowed: it begins, and says farewell with the next turn.
        match ended.filter(|reason| *reason != EndReason::Doubted).or(draining) {
            Some(EndReason::Drain) => return Poll::Ready(Err(Refusal::Draining)),
            Some(EndReason::Expired | EndReason::Overdue) => return Poll::Ready(Err(Refusal::Expired)),
            Some(EndReason::Revoked | EndReason::Cut) => return Poll::Ready(Err(Refusal::Revoked)),
            Some(EndReason::Doubted) | None => {}
        }
        if let Some(error) = self.no_place {
            return Poll::Ready(Err(Refusal::Channel(error.to_string())));
        }
        match are_open(&self.names, channels, core) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                let timeout = core.options.subscribe_timeout;
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                deadline.as_mut().poll(cx).map(|()| Err(Refusal::Timeout))
            }
            Err(refusal) => Poll::Ready(Err(refusal)),
        }
    }

    /// The answer in place of a stream.
    pub(super) fn refuse(self, refusal: Refusal) -> Answer {
        (self.refuse)(refusal)
    }

    /// `retry:` with the priming id, or with a `$gap` for each position that is unknown or too old; `$ready` if that is to be said.
    pub(super) fn beginning(self, core: &Core, channels: &Channels) -> Beginning {
        let position = channels.position_text();
        let mut blocks = Vec::with_capacity(128);
        // The first empty line must come after an `id`, or it would erase the client's place.
        block::retry(&mut blocks, core.retry_ms());
        if let Some(position) = position.as_ref().filter(|_| self.unknown.is_empty()) {
            block::id(&mut blocks, position);
        }
        for (told, &(index, after)) in self.unknown.iter().enumerate() {
            // Until a gap has been told its channel has no position: a client that drops here is told again.
            let position = channels.position_text_without(&self.unknown[told + 1..]);
            let channel = self.names[index].clone();
            let gap = Gap { channel, reason: GapReason::UnknownPosition, after, next: None };
            core.stats.gaps.of(GapReason::UnknownPosition).add(1);
            block::gap(&mut blocks, &gap, position.as_deref());
        }
        // Otherwise the first event will say where the client is, or an event of its own if none comes.
        let ready_now = position.filter(|_| self.ready);
        if let Some(position) = &ready_now {
            block::ready(&mut blocks, position, &self.names);
        }
        let telling = match ready_now {
            None if self.ready => Telling::ReadyDue,
            _ if self.place => Telling::Place,
            _ => Telling::Id,
        };
        core.stats.opened.add(1);
        core.stats.primes.record(self.began.elapsed());
        Beginning { head: self.head, blocks, telling }
    }
}

/// Whether a grant is good for a stream: the session ends before it does, and when it is revoked.
fn is_good(core: &Core, session: SessionSlot, grant: &Grant, channels: &[ChannelName]) -> bool {
    core.note_holder(session, grant, channels) && grant.expires_at.is_none_or(|end| core.end_before(session, end))
}

/// Whether a position is older than `cursor_age` allows.
fn is_too_old(core: &Core, position: Position) -> bool {
    let Some(limit) = core.options.cursor_age else { return false };
    let (Position::At(EntryId { ms, .. }) | Position::Absent { at_ms: ms, .. }) = position;
    u128::from(core.clock.wall_ms().saturating_sub(ms)) > limit.as_millis()
}

/// Whether every channel is open and every cursor has its place; the error says why one cannot be.
fn are_open(names: &[ChannelName], channels: &mut Channels, core: &Core) -> Result<bool, Refusal> {
    let mut open = true;
    for (name, each) in names.iter().zip(channels.iter_mut()) {
        open &= match core.log.is_open(each.view, &each.cursor) {
            Ok(is_open) => is_open && core.log.resolve_start(each.view, &mut each.cursor),
            Err(fanfare_log::Refusal::WrongType) => return Err(Refusal::WrongType(name.clone())),
            Err(refusal @ fanfare_log::Refusal::Denied(_)) => return Err(Refusal::Channel(refusal.to_string())),
        };
    }
    Ok(open)
}

/// The position that the client named for each channel.
fn positions<E>(channels: &[ChannelName], resume: Option<&Result<LastEventId, E>>) -> Vec<Option<Position>> {
    match resume {
        Some(Ok(id)) => id.resolve(channels),
        Some(Err(_)) | None => Vec::new(),
    }
}
