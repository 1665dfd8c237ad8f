//! What one client saw, judged with a delay: when it is certain what had been published by then.

use std::collections::VecDeque;

use super::payload;
use super::tally::Tally;
use crate::fact::Place;
use crate::judge::{Finding, Judge, Standing, Step};
use crate::{Gap, Ledger, Sight, vector};

/// Lines of a story that are kept for a report.
const LINES: usize = 60;

/// The story of one client.
#[derive(Debug)]
pub(crate) struct Story {
    who: String,
    channels: Vec<String>,
    /// One for each channel.
    judges: Vec<Judge>,
    /// What was seen, when, and on which channel; not judged yet.
    waiting: VecDeque<(u64, usize, Step)>,
    recent: VecDeque<String>,
    has_place: bool,
}

impl Story {
    /// The story of a client of these channels that asks for so many of the newest entries when it first comes.
    /// `max_behind_ms`: some node tells a client that it lags when its next event is older than this.
    pub(crate) fn new(who: String, channels: &[String], newest: Option<u64>, max_behind_ms: u64) -> Self {
        let judge = || Judge::new(true, Standing::New).with_newest(newest).with_max_behind_ms(max_behind_ms);
        let judges = channels.iter().map(|_| judge()).collect();
        let (waiting, recent) = (VecDeque::new(), VecDeque::new());
        Self { who, channels: channels.to_vec(), judges, waiting, recent, has_place: false }
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
            Sight::Event(event) => {
                match payload::read(&event.data) {
                    Ok(name) => self.event(now_ms, name, event.own_id.as_deref(), tally),
                    Err(what) => self.breach(tally, &what),
                }
                self.keep_place(&event.last_event_id, tally);
            }
            Sight::Gap(gap) => self.gap(now_ms, gap, tally),
            Sight::Place(id) => {
                self.keep_place(id, tally);
                for (index, place) in self.places(id, tally).into_iter().enumerate() {
                    self.waiting.extend(place.map(|place| (now_ms, index, Step::Place(place))));
                }
            }
            Sight::Connected(id) => {
                for (index, place) in self.places(id, tally).into_iter().enumerate() {
                    self.waiting.push_back((now_ms, index, Step::Connected(place.unwrap_or_default())));
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, now_ms: u64, name: &str, own_id: Option<&str>, tally: &Tally) {
        let Some(index) = self.index(payload::channel(name)) else {
            return self.breach(tally, &format!("{name} of a channel that the client did not ask for"));
        };
        match own_id.and_then(|id| self.places(id, tally).swap_remove(index)) {
            Some(id) => {
                let step = Step::Event { data: name.to_owned(), own_id: Some(id) };
                self.waiting.push_back((now_ms, index, step));
            }
            None => {
                self.breach(tally, &format!("the durable event {name} came without an id of its channel: {own_id:?}"));
            }
        }
    }

    fn gap(&mut self, now_ms: u64, gap: &Gap, tally: &Tally) {
        let Some(index) = self.index(&gap.channel) else {
            return self.breach(tally, "a gap of a channel that the client did not ask for");
        };
        let own_id = gap.own_id.as_deref().and_then(|id| self.places(id, tally).swap_remove(index));
        self.waiting.push_back((now_ms, index, Step::Gap(Gap { own_id, ..gap.clone() })));
    }

    /// What the client's position says about each channel.
    fn places(&self, id: &str, tally: &Tally) -> Vec<Option<String>> {
        let nothing = vec![None; self.channels.len()];
        if id.is_empty() {
            return nothing;
        }
        if self.channels.len() == 1 {
            return vec![Some(id.to_owned())];
        }
        vector::read(id, &self.channels).unwrap_or_else(|| {
            self.breach(tally, &format!("a position that cannot be read: {id:?}"));
            nothing
        })
    }

    fn index(&self, channel: &str) -> Option<usize> {
        self.channels.iter().position(|name| name == channel)
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
            let judge = &mut self.judges[index];
            let findings = ledger.with(&self.channels[index], |history| judge.take(history, &step, Some(at)));
            for finding in findings {
                self.note_finding(ledger, tally, index, at, finding);
            }
        }
    }

    fn note_finding(&self, ledger: &Ledger, tally: &Tally, index: usize, at: u64, finding: Finding) {
        let channel = &self.channels[index];
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

    /// Whether the client is at an event or behind it, as far as it has been judged.
    pub(crate) fn has_passed(&self, ledger: &Ledger, name: &str) -> bool {
        let channel = payload::channel(name);
        let Some(Standing::At(here)) = self.index(channel).map(|index| self.judges[index].standing()) else {
            return false;
        };
        let passed = |event: &Place| here.iter().any(|place| place.life == event.life && place.id >= event.id);
        ledger.with(channel, |history| history.places(name)).iter().any(passed)
    }

    /// The client has not come to the last event of these channels.
    pub(crate) fn silent(&self, ledger: &Ledger, tally: &Tally, channel: &str) {
        let standing = self.index(channel).map(|index| format!("{:?}", self.judges[index].standing()));
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
        let mut story = Story::new("a client".to_owned(), &channels, None, 0);
        let data = payload::data(&payload::name("c0", 1, 1, 40));
        let (place, id) = if channels.len() == 1 { ("1-0", "2-0") } else { (C0_AT_1, C0_AT_2) };
        story.sight(1, &Sight::Place(place.to_owned()), &tally);
        story.sight(2, &event(data, id), &tally);
        story.judge(&ledger, &tally, u64::MAX);
        tally.breaches.get()
    }

    fn event(data: String, id: &str) -> Sight {
        let id = id.to_owned();
        Sight::Event(Dispatch { event: "message".into(), data, last_event_id: id.clone(), own_id: Some(id) })
    }

    /// Positions of a client of c0 and c1 that is at the entry 1-0, or 2-0, of c0, and at 9-0 of c1.
    const C0_AT_1: &str = "vBaw0000001.Ij80000009";
    const C0_AT_2: &str = "vBaw0000002.Ij80000009";

    // Seen to fail when a client of several channels may see what nobody published.
    #[test]
    fn what_nobody_published_is_a_breach_for_everybody() {
        assert_eq!((breaches_of_an_invention(1), breaches_of_an_invention(2)), (1, 1));
    }

    // Seen to fail when only those have passed an event that have seen it, and when everybody has.
    #[test]
    fn whoever_is_led_past_an_event_does_not_wait_for_it() {
        let names: Vec<String> = (1..=2).map(|number| payload::name("c0", 1, number, 40)).collect();
        let (ledger, tally) = (Ledger::default(), Tally::default());
        names.iter().enumerate().for_each(|(index, name)| ledger.record("c0", &format!("{}-0", index + 1), name));
        let passed = |place: &str| {
            let mut story = Story::new("a client".to_owned(), &["c0".to_owned()], None, 0);
            story.sight(1, &Sight::Place(place.to_owned()), &tally);
            story.judge(&ledger, &tally, u64::MAX);
            [story.has_passed(&ledger, &names[0]), story.has_passed(&ledger, &names[1])]
        };
        assert_eq!(passed("1-0"), [true, false]);
        assert_eq!(passed("3-0"), [true, true]);
        assert_eq!(passed("0-1"), [false, false]);
    }

    // Seen to fail when the place of a client of several channels is only known from what it has seen.
    #[test]
    fn a_client_of_several_channels_has_an_exact_place_on_each_from_its_first_position_on() {
        let channels = ["c0".to_owned(), "c1".to_owned()];
        let names: Vec<String> = (1..=3).map(|number| payload::name("c0", 1, number, 40)).collect();
        let breaches = |seen: &[(usize, &str)]| {
            let (ledger, tally) = (Ledger::default(), Tally::default());
            names.iter().enumerate().for_each(|(index, name)| ledger.record("c0", &format!("{}-0", index + 1), name));
            let mut story = Story::new("a client".to_owned(), &channels, None, 0);
            story.sight(1, &Sight::Place(C0_AT_1.to_owned()), &tally);
            for (number, id) in seen {
                story.sight(2, &event(payload::data(&names[number - 1]), id), &tally);
            }
            story.judge(&ledger, &tally, u64::MAX);
            tally.breaches.get()
        };
        assert_eq!(breaches(&[(2, C0_AT_2)]), 0);
        let c0_at_3 = C0_AT_2.replace("Baw0000002", "Baw0000003");
        assert_eq!(breaches(&[(3, c0_at_3.as_str())]), 1, "2-0 is missing");
        assert_eq!(breaches(&[(2, C0_AT_1)]), 1, "with the id of another entry");
        assert_eq!(breaches(&[(2, "2-0")]), 2, "not a position of several channels, so the event has none");
    }
}
