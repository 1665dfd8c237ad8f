//! The beginning of a session: its channels open, its cursors get their places, and the prelude goes out.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use fanfare_log::{ReaderId, Start};
use fanfare_protocol::{ChannelName, ChannelTag, EntryId, Gap, GapReason, Position, block};

use super::channels::{Channels, Subscribed};
use super::{End, Phase, Refusal, Session, Subscribe};
use crate::core::Core;
use crate::socket::Socket;

/// What is only needed until the stream has begun.
pub(super) struct Opening {
    names: Vec<ChannelName>,
    /// Channels, by index, that start now although the client named a position: it is not known, or too old.
    unknown: Vec<(usize, Option<Position>)>,
    ready: bool,
    head: Vec<u8>,
    refuse: Option<Box<dyn FnOnce(Refusal) -> Vec<u8>>>,
    /// Set when the channels are not open at once.
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Opening {
    /// Opens the channels and gives each cursor the place that the client asked for.
    pub(super) fn begin(core: &Rc<Core>, reader: ReaderId, subscribe: Subscribe) -> (Self, Channels) {
        let Subscribe { subscription, head, refuse, .. } = subscribe;
        let mut names = subscription.channels;
        names.sort_by_cached_key(ChannelTag::of);
        let positions = positions(&names, subscription.resume.as_ref());
        let resumes = subscription.resume.is_some();
        let mut unknown = Vec::new();
        let mut subscribed = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let start = match positions.get(index).copied().flatten() {
                Some(position) if !is_too_old(core, position) => Some(Start::At(position)),
                position if resumes => {
                    unknown.push((index, position));
                    None
                }
                _ => subscription.last.map(|count| Start::Newest(u32::try_from(count).unwrap_or(u32::MAX))),
            };
            let (view, cursor) = core.log.open(name, start, reader);
            subscribed.push((ChannelTag::of(name), Subscribed { view, cursor }));
        }
        let channels = match subscribed.len() {
            1 => Channels::One(subscribed.swap_remove(0).1),
            _ => Channels::Many(subscribed.into_boxed_slice()),
        };
        let ready = subscription.ready;
        (Self { names, unknown, ready, head, refuse: Some(refuse), deadline: None }, channels)
    }
}

/// Whether a position is older than `cursor_age` allows.
fn is_too_old(core: &Core, position: Position) -> bool {
    let Some(limit) = core.options.cursor_age else { return false };
    let (Position::At(EntryId { ms, .. }) | Position::Absent { at_ms: ms, .. }) = position;
    u128::from(core.clock.wall_ms().saturating_sub(ms)) > limit.as_millis()
}

/// The position that the client named for each channel.
fn positions<E>(
    channels: &[ChannelName],
    resume: Option<&Result<fanfare_protocol::LastEventId, E>>,
) -> Vec<Option<Position>> {
    match resume {
        Some(Ok(id)) => id.resolve(channels),
        Some(Err(_)) | None => Vec::new(),
    }
}

impl<P, S: Socket> Session<P, S> {
    /// Waits for the channels. When all are open and every cursor has its place, queues the prelude.
    pub(super) fn poll_open(&mut self, asked_to_end: bool, cx: &mut Context<'_>) -> Poll<()> {
        let refusal = if asked_to_end || self.core.is_draining() {
            Refusal::Draining
        } else {
            match self.open_channels() {
                Ok(true) => {
                    self.begin_stream();
                    return Poll::Ready(());
                }
                Ok(false) => {
                    let Some(Phase::Opening(opening)) = self.phase.as_deref_mut() else { return Poll::Ready(()) };
                    let timeout = self.core.options.subscribe_timeout;
                    let deadline = opening.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                    ready!(deadline.as_mut().poll(cx));
                    Refusal::Timeout
                }
                Err(detail) => Refusal::Channel(detail.to_string()),
            }
        };
        let Some(Phase::Opening(opening)) = self.phase.as_deref_mut() else { return Poll::Ready(()) };
        let answer = opening.refuse.take().map(|refuse| refuse(refusal)).unwrap_or_default();
        self.phase = Some(Box::new(Phase::Closing(End::Refused)));
        self.wire.queue_bytes(answer);
        Poll::Ready(())
    }

    /// Whether every channel is open and every cursor has its place; the error says why one cannot be.
    fn open_channels(&mut self) -> Result<bool, std::sync::Arc<str>> {
        let log = &self.core.log;
        let mut settled = true;
        for each in self.channels.iter_mut() {
            settled &= log.is_open(each.view, &each.cursor)? && log.settle(each.view, &mut each.cursor);
        }
        Ok(settled)
    }

    /// The prelude: `retry:` with the priming id, or with a `$gap` for each position that nobody knows; `$ready` if asked for.
    fn begin_stream(&mut self) {
        let Some(Phase::Opening(opening)) = self.phase.take().map(|phase| *phase) else { return };
        let position = self.channels.position_text();
        let mut blocks = Vec::with_capacity(128);
        // The first empty line must come after an `id`, or it would erase the client's place.
        block::retry(&mut blocks, self.core.retry_ms());
        if let Some(position) = position.as_ref().filter(|_| opening.unknown.is_empty()) {
            block::id(&mut blocks, position);
        }
        for (told, &(index, after)) in opening.unknown.iter().enumerate() {
            // Until a gap has been told its channel has no position: who drops here is told again.
            let position = self.channels.position_text_without(&opening.unknown[told + 1..]);
            let channel = opening.names[index].clone();
            let gap = Gap { channel, reason: GapReason::UnknownPosition, after, next: None };
            self.core.stats.gaps.of(GapReason::UnknownPosition).add(1);
            block::gap(&mut blocks, &gap, position.as_deref());
        }
        match position.filter(|_| opening.ready) {
            Some(position) => block::ready(&mut blocks, &position, &opening.names),
            // The first event will say where the client is, or an event of its own if none comes.
            None => self.ready_due = opening.ready,
        }
        let mut bytes = opening.head;
        self.wire.frame(&mut bytes, &blocks);
        self.core.stats.opened.add(1);
        self.wire.set_prelude(bytes);
    }
}
