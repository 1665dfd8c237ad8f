//! Tells apart what a client of several channels observes of each of them.

use crate::observed::{Gap, Observed};
use crate::position::Position;
use crate::sse::Dispatch;
use crate::step::Step;

/// What the harness knows an event of a publisher by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published<'a> {
    /// For whoever is connected: it promises nothing.
    Ephemeral,
    /// Durable.
    Entry {
        /// Of this channel.
        channel: &'a str,
        /// Recognised by this.
        data: &'a str,
    },
}

/// Tells apart what a client of several channels observes of each of them. What no client must observe, on whichever channel, is
/// a breach of its own.
#[derive(Debug)]
pub struct ByChannel {
    channels: Vec<String>,
    /// Which channels it has been given a place on.
    placed: Vec<bool>,
    has_place: bool,
    steps: Vec<(usize, Step)>,
    breaches: Vec<String>,
}

/// The steps on each channel, by its index, and breaches that concern the client as a whole.
pub type Sorted = (Vec<(usize, Step)>, Vec<String>);

impl ByChannel {
    /// For a client of these channels.
    pub fn new(channels: &[String]) -> Self {
        let placed = vec![false; channels.len()];
        Self { channels: channels.to_vec(), placed, has_place: false, steps: Vec::new(), breaches: Vec::new() }
    }

    /// The index of a channel; `None` if the client did not ask for it.
    pub fn index(&self, channel: &str) -> Option<usize> {
        self.channels.iter().position(|name| name == channel)
    }

    /// Sorts one observation. `read` says what an event of a publisher is; `Err` if nobody published such data.
    pub fn sort<'a>(
        &mut self,
        observed: &'a Observed,
        read: impl FnOnce(&'a Dispatch) -> Result<Published<'a>, String>,
    ) -> Sorted {
        match observed {
            Observed::Connected(id) => {
                let places = self.read_places(id);
                self.steps.extend(places.into_iter().enumerate().map(|(index, at)| (index, Step::Connected(at))));
            }
            Observed::Place(id) => self.renew(id),
            Observed::Control(event) if event.event == "$place" => self.renew(&event.last_event_id),
            Observed::Event(event) => {
                self.event(event, read(event));
                self.move_to(&event.last_event_id);
            }
            Observed::Gap(gap) => {
                self.gap(gap);
                gap.own_id.iter().for_each(|id| self.move_to(id));
            }
            Observed::Control(event) => self.move_to(&event.last_event_id),
            Observed::Comment | Observed::Ended(_) => {}
        }
        (std::mem::take(&mut self.steps), std::mem::take(&mut self.breaches))
    }

    fn event(&mut self, event: &Dispatch, published: Result<Published<'_>, String>) {
        match published {
            Err(what) => self.breaches.push(what),
            Ok(Published::Ephemeral) if event.own_id.is_none() => {}
            Ok(Published::Ephemeral) => self.breaches.push("an ephemeral event moved the client's place".to_owned()),
            Ok(Published::Entry { channel, data }) => {
                let Some(index) = self.index(channel) else {
                    return self.breaches.push(format!("{data} of a channel that the client did not ask for"));
                };
                let own_id = event.own_id.as_deref();
                let Some(at) = own_id.and_then(|id| self.read_places(id).swap_remove(index)) else {
                    return self
                        .breaches
                        .push(format!("the entry {data} came without an id of its channel: {own_id:?}"));
                };
                self.placed[index] = true;
                self.steps.push((index, Step::Event { data: data.to_owned(), at: Some(at) }));
            }
        }
    }

    fn gap(&mut self, gap: &Gap) {
        let Some(index) = self.index(&gap.channel) else {
            return self.breaches.push("a gap of a channel that the client did not ask for".to_owned());
        };
        let at = gap.own_id.as_deref().and_then(|id| self.read_places(id).swap_remove(index));
        self.placed[index] |= at.is_some();
        self.steps.push((index, Step::Gap { gap: gap.clone(), at }));
    }

    /// The node says where the client is.
    fn renew(&mut self, id: &str) {
        self.keep_place(id);
        self.places(id, |_| true);
    }

    /// An event moved the client's position here. On a channel on which it had been given no place, this is its first.
    fn move_to(&mut self, id: &str) {
        self.keep_place(id);
        if self.placed.contains(&false) {
            self.places(id, |is_placed| !is_placed);
        }
    }

    /// A place, once given, is never taken away again.
    fn keep_place(&mut self, id: &str) {
        if self.has_place && id.is_empty() {
            self.breaches.push("the client's place was erased".to_owned());
        }
        self.has_place |= !id.is_empty();
    }

    /// The client's position gives it a place on each channel. `wanted` says, from whether it had been given one there before,
    /// whether that is a step.
    fn places(&mut self, id: &str, wanted: impl Fn(bool) -> bool) {
        for (index, at) in self.read_places(id).into_iter().enumerate() {
            let Some(at) = at else { continue };
            if wanted(std::mem::replace(&mut self.placed[index], true)) {
                self.steps.push((index, Step::Place(at)));
            }
        }
    }

    /// What the client's position says about each channel.
    fn read_places(&mut self, id: &str) -> Vec<Option<Position>> {
        let nothing = vec![None; self.channels.len()];
        if id.is_empty() {
            return nothing;
        }
        Position::parse_all(id, &self.channels).unwrap_or_else(|| {
            self.breaches.push(format!("a position that cannot be read: {id:?}"));
            nothing
        })
    }
}

#[cfg(test)]
mod tests;
