//! What one client saw, judged with a delay: when it is certain what had been published by then.

use std::collections::VecDeque;

use super::payload;
use super::tally::Tally;
use crate::check::step_of;
use crate::judge::{Finding, Judge, Standing, Step};
use crate::{Ledger, Sight};

/// Lines of a story that are kept for a report.
const LINES: usize = 60;

/// The story of one client.
#[derive(Debug)]
pub(crate) struct Story {
    who: String,
    judges: Vec<(String, Judge)>,
    /// What was seen, when, and on which channel if on one; not judged yet.
    waiting: VecDeque<(u64, Option<usize>, Step)>,
    recent: VecDeque<String>,
    has_place: bool,
}

impl Story {
    pub(crate) fn new(who: String, channels: &[String]) -> Self {
        let alone = channels.len() == 1;
        let judges = channels.iter().map(|channel| (channel.clone(), Judge::new(alone, Standing::New))).collect();
        Self { who, judges, waiting: VecDeque::new(), recent: VecDeque::new(), has_place: false }
    }

    /// The client connects.
    pub(crate) fn connected(&mut self, now_ms: u64, last_event_id: &str, tally: &Tally) {
        self.sight(now_ms, &Sight::Connected(last_event_id.to_owned()), tally);
    }

    /// The client saw something.
    pub(crate) fn sight(&mut self, now_ms: u64, sight: &Sight, tally: &Tally) {
        match sight {
            Sight::Comment => return,
            Sight::Event(event) if event.data.starts_with(payload::EPHEMERAL) => {
                tally.ephemeral.add(1);
                if event.own_id.is_some() {
                    self.breach(tally, "an ephemeral event moved the client's place");
                }
                return self.keep_place(&event.last_event_id, tally);
            }
            _ => self.note(now_ms, sight),
        }
        match sight {
            Sight::Event(event) => match payload::read(&event.data) {
                Ok(name) => self.event(now_ms, name, event.own_id.clone(), tally),
                Err(what) => self.breach(tally, &what),
            },
            Sight::Gap(gap) => match self.index(&gap.channel) {
                Some(index) => self.waiting.push_back((now_ms, Some(index), Step::Gap(gap.clone()))),
                None => self.breach(tally, "a gap of a channel that the client did not ask for"),
            },
            Sight::Place(id) => {
                self.keep_place(id, tally);
                self.all(now_ms, sight);
            }
            Sight::Connected(_) => self.all(now_ms, sight),
            _ => {}
        }
        if let Sight::Event(event) = sight {
            self.keep_place(&event.last_event_id, tally);
        }
    }

    fn event(&mut self, now_ms: u64, name: &str, own_id: Option<String>, tally: &Tally) {
        if own_id.is_none() {
            return self.breach(tally, &format!("the durable event {name} came without an id"));
        }
        match self.index(payload::channel(name)) {
            Some(index) => {
                let step = Step::Event { data: name.to_owned(), own_id };
                self.waiting.push_back((now_ms, Some(index), step));
            }
            None => self.breach(tally, &format!("{name} of a channel that the client did not ask for")),
        }
    }

    fn all(&mut self, now_ms: u64, sight: &Sight) {
        self.waiting.extend(step_of(sight, "").map(|step| (now_ms, None, step)));
    }

    fn index(&self, channel: &str) -> Option<usize> {
        self.judges.iter().position(|(name, _)| name == channel)
    }

    /// A place, once given, is never taken away again.
    fn keep_place(&mut self, last_event_id: &str, tally: &Tally) {
        if self.has_place && last_event_id.is_empty() {
            self.breach(tally, "the client's place was erased");
        }
        self.has_place |= !last_event_id.is_empty();
    }

    fn note(&mut self, now_ms: u64, sight: &Sight) {
        let mut line = match sight {
            Sight::Event(event) => {
                let name = event.data.split(' ').next().unwrap_or_default();
                format!("{name} with the id {}", event.own_id.as_deref().unwrap_or("none"))
            }
            other => format!("{other:?}"),
        };
        line.truncate(line.floor_char_boundary(300));
        self.remember(&format!("{now_ms} {line}"));
    }

    /// Adds a line for the reader of a breach's story.
    pub(crate) fn remember(&mut self, line: &str) {
        self.recent.push_back(line.to_owned());
        if self.recent.len() > LINES {
            self.recent.pop_front();
        }
    }

    /// How much has not been judged yet.
    pub(crate) fn waits(&self) -> usize {
        self.waiting.len()
    }

    /// Judges what was seen before the horizon.
    pub(crate) fn judge(&mut self, ledger: &Ledger, tally: &Tally, horizon_ms: u64) {
        while let Some((at, index, step)) = self.waiting.pop_front_if(|(at, ..)| *at < horizon_ms) {
            let all = 0..self.judges.len();
            for index in index.map_or(all, |index| index..index + 1) {
                let (channel, judge) = &mut self.judges[index];
                let findings = ledger.with(channel, |history| judge.take(history, &step, Some(at)));
                for finding in findings {
                    self.note_finding(ledger, tally, index, at, finding);
                }
            }
        }
    }

    fn note_finding(&self, ledger: &Ledger, tally: &Tally, index: usize, at: u64, finding: Finding) {
        let channel = &self.judges[index].0;
        match finding {
            Finding::Event => tally.checked.add(1),
            // Each is ruled on when its entry comes.
            Finding::Announced(_) => {}
            Finding::Ruled(gap, ruling) => {
                let what = format!("seen at {at}: {gap:?}");
                tally.gap(&gap, ruling, || self.tell(tally, &what, Some((ledger, channel))));
            }
            Finding::Breach(what) => tally
                .breach(|| self.tell(tally, &format!("seen at {at} on {channel}: {what}"), Some((ledger, channel)))),
        }
    }

    /// A breach that needs no judge.
    pub(crate) fn breach(&self, tally: &Tally, what: &str) {
        tally.breach(|| self.tell(tally, what, None));
    }

    /// The client has not come to the last event of these channels.
    pub(crate) fn silent(&self, ledger: &Ledger, tally: &Tally, channel: &str) {
        let standing = self.index(channel).map(|index| format!("{:?}", self.judges[index].1.standing()));
        let what = format!("{channel} fell silent: its last event did not come; the client is at {standing:?}");
        tally.breach(|| self.tell(tally, &what, Some((ledger, channel))));
    }

    fn tell(&self, tally: &Tally, what: &str, about: Option<(&Ledger, &str)>) -> String {
        let lines =
            |lines: &mut dyn Iterator<Item = &String>| lines.map(|line| format!("    {line}\n")).collect::<String>();
        let truth = about.map_or(String::new(), |(ledger, channel)| {
            let outline = ledger.with(channel, |history| history.outline());
            format!("  the truth about {channel}:\n{}", lines(&mut outline.iter()))
        });
        let seen = lines(&mut self.recent.iter());
        let deeds = tally.recent_deeds();
        format!("{} {what}\n  the client saw last:\n{seen}{truth}  what was done lately:\n{deeds}", self.who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dispatch;

    /// Breaches of a client of so many channels that saw an event which is in no record.
    fn breaches_of_an_invention(channels: usize) -> u64 {
        let channels: Vec<String> = (0..channels).map(|index| format!("c{index}")).collect();
        let (ledger, tally) = (Ledger::default(), Tally::default());
        let mut story = Story::new("a client".to_owned(), &channels);
        let data = payload::data(&payload::name("c0", 1, 1, 40));
        let id = "2-0".to_owned();
        let event = Dispatch { event: "message".into(), data, last_event_id: id.clone(), own_id: Some(id) };
        story.sight(1, &Sight::Place("1-0".to_owned()), &tally);
        story.sight(2, &Sight::Event(event), &tally);
        story.judge(&ledger, &tally, u64::MAX);
        tally.breaches.get()
    }

    // Seen to fail when a client of several channels may see what nobody published.
    #[test]
    fn what_nobody_published_is_a_breach_for_everybody() {
        assert_eq!((breaches_of_an_invention(1), breaches_of_an_invention(2)), (1, 1));
    }
}
