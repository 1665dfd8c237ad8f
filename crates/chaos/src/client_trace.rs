//! What one client saw, judged with a delay: when it is certain what had been published by then.

use std::collections::VecDeque;

use fanfare_oracle::{ByChannel, Finding, Judge, Ledger, Observed, Place, Published, Step, Whereabouts};

use crate::counters::Counters;
use crate::payload;

/// Lines that are kept for a report.
const LINES: usize = 60;

/// What one client saw.
#[derive(Debug)]
pub(crate) struct ClientTrace {
    who: String,
    channels: Vec<String>,
    by_channel: ByChannel,
    /// One for each channel.
    judges: Vec<Judge>,
    /// What was seen, when, and on which channel; not judged yet.
    waiting: VecDeque<(u64, usize, Step)>,
    recent: VecDeque<String>,
}

impl ClientTrace {
    /// Of a client of these channels that asks for so many of the newest entries when it first comes.
    /// `max_behind_ms`: some node tells a client that it lags when its next event is older than this.
    pub(crate) fn new(who: String, channels: &[String], newest: Option<u64>, max_behind_ms: u64) -> Self {
        let judge = || Judge::new(Whereabouts::New).with_newest(newest).with_max_behind_ms(max_behind_ms);
        let judges = channels.iter().map(|_| judge()).collect();
        let (by_channel, waiting, recent) = (ByChannel::new(channels), VecDeque::new(), VecDeque::new());
        Self { who, channels: channels.to_vec(), by_channel, judges, waiting, recent }
    }

    /// The client connects.
    pub(crate) fn connected(&mut self, now_ms: u64, last_event_id: &str, counters: &Counters) {
        self.observed(now_ms, &Observed::Connected(last_event_id.to_owned()), counters);
    }

    /// The client saw something.
    pub(crate) fn observed(&mut self, now_ms: u64, observed: &Observed, counters: &Counters) {
        if matches!(observed, Observed::Comment) {
            return;
        }
        let mut is_ephemeral = false;
        let (steps, breaches) = self.by_channel.sort(observed, |event| {
            if event.data.starts_with(payload::EPHEMERAL) {
                is_ephemeral = true;
                return Ok(Published::Ephemeral);
            }
            payload::read(&event.data).map(|name| Published::Entry { channel: payload::channel(name), data: name })
        });
        if is_ephemeral {
            counters.ephemeral.add(1);
        } else {
            self.note(now_ms, observed);
        }
        breaches.iter().for_each(|what| self.breach(counters, what));
        self.waiting.extend(steps.into_iter().map(|(index, step)| (now_ms, index, step)));
    }

    fn note(&mut self, now_ms: u64, observed: &Observed) {
        let mut line = match observed {
            Observed::Event(event) => {
                let name = payload::name_in(&event.data);
                format!("{name} with the id {}", event.own_id.as_deref().unwrap_or("none"))
            }
            other => format!("{other:?}"),
        };
        line.truncate(line.floor_char_boundary(300));
        self.remember(&format!("{now_ms} {line}"));
    }

    /// Adds a line for the reader of a report.
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
    pub(crate) fn judge(&mut self, ledger: &Ledger, counters: &Counters, horizon_ms: u64) {
        while let Some((at, index, step)) = self.waiting.pop_front_if(|(at, ..)| *at < horizon_ms) {
            let judge = &mut self.judges[index];
            let findings = ledger.with(&self.channels[index], |history| judge.take(history, &step, Some(at)));
            for finding in findings {
                self.note_finding(ledger, counters, index, at, finding);
            }
        }
    }

    fn note_finding(&self, ledger: &Ledger, counters: &Counters, index: usize, at: u64, finding: Finding) {
        let channel = &self.channels[index];
        match finding {
            Finding::Event => counters.checked.add(1),
            // Each is ruled on when its entry comes.
            Finding::Announced(_) => {}
            Finding::Ruled(gap, ruling) => {
                let what = format!("seen at {at}: {gap:?}");
                counters.gap(&gap, ruling, || self.tell(counters, &what, Some((ledger, channel))));
            }
            Finding::Breach(what) => counters
                .breach(|| self.tell(counters, &format!("seen at {at} on {channel}: {what}"), Some((ledger, channel)))),
        }
    }

    /// A breach that needs no judge.
    pub(crate) fn breach(&self, counters: &Counters, what: &str) {
        counters.breach(|| self.tell(counters, what, None));
    }

    /// Whether the client is at an event or behind it, as far as it has been judged.
    pub(crate) fn has_passed(&self, ledger: &Ledger, name: &str) -> bool {
        let channel = payload::channel(name);
        let Some(Whereabouts::At(here)) = self.by_channel.index(channel).map(|index| self.judges[index].whereabouts())
        else {
            return false;
        };
        let passed =
            |event: &Place| here.iter().any(|place| place.incarnation == event.incarnation && place.id >= event.id);
        ledger.with(channel, |history| history.places(name)).iter().any(passed)
    }

    /// The client has not come to the last event of these channels.
    pub(crate) fn silent(&self, ledger: &Ledger, counters: &Counters, channel: &str) {
        let whereabouts = self.by_channel.index(channel).map(|index| format!("{:?}", self.judges[index].whereabouts()));
        let what = format!("{channel} fell silent: its last event did not come; the client is at {whereabouts:?}");
        counters.breach(|| self.tell(counters, &what, Some((ledger, channel))));
    }

    fn tell(&self, counters: &Counters, what: &str, about: Option<(&Ledger, &str)>) -> String {
        let lines =
            |lines: &mut dyn Iterator<Item = &String>| lines.map(|line| format!("    {line}\n")).collect::<String>();
        let record = about.map_or(String::new(), |(ledger, channel)| {
            let outline = ledger.with(channel, |history| history.outline());
            format!("  the record of {channel}:\n{}", lines(&mut outline.iter()))
        });
        let seen = lines(&mut self.recent.iter());
        let actions = counters.recent_actions();
        format!("{} {what}\n  the client saw last:\n{seen}{record}  what was done lately:\n{actions}", self.who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_oracle::Dispatch;

    /// Breaches of a client of so many channels that saw an event which is in no record.
    fn breaches_of_an_invention(channels: usize) -> u64 {
        let channels: Vec<String> = (0..channels).map(|index| format!("c{index}")).collect();
        let (ledger, counters) = (Ledger::default(), Counters::default());
        let mut trace = ClientTrace::new("a client".to_owned(), &channels, None, 0);
        let data = payload::data(&payload::name("c0", 1, 1, 40));
        let (place, id) = if channels.len() == 1 { ("1-0", "2-0") } else { (C0_AT_1, C0_AT_2) };
        trace.observed(1, &Observed::Place(place.to_owned()), &counters);
        trace.observed(2, &event(data, id), &counters);
        trace.judge(&ledger, &counters, u64::MAX);
        counters.breaches.get()
    }

    fn event(data: String, id: &str) -> Observed {
        let id = id.to_owned();
        Observed::Event(Dispatch { event: "message".into(), data, last_event_id: id.clone(), own_id: Some(id) })
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
        let (ledger, counters) = (Ledger::default(), Counters::default());
        names.iter().enumerate().for_each(|(index, name)| ledger.record("c0", &format!("{}-0", index + 1), name));
        let passed = |place: &str| {
            let mut trace = ClientTrace::new("a client".to_owned(), &["c0".to_owned()], None, 0);
            trace.observed(1, &Observed::Place(place.to_owned()), &counters);
            trace.judge(&ledger, &counters, u64::MAX);
            [trace.has_passed(&ledger, &names[0]), trace.has_passed(&ledger, &names[1])]
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
            let (ledger, counters) = (Ledger::default(), Counters::default());
            names.iter().enumerate().for_each(|(index, name)| ledger.record("c0", &format!("{}-0", index + 1), name));
            let mut trace = ClientTrace::new("a client".to_owned(), &channels, None, 0);
            trace.observed(1, &Observed::Place(C0_AT_1.to_owned()), &counters);
            for (number, id) in seen {
                trace.observed(2, &event(payload::data(&names[number - 1]), id), &counters);
            }
            trace.judge(&ledger, &counters, u64::MAX);
            counters.breaches.get()
        };
        assert_eq!(breaches(&[(2, C0_AT_2)]), 0);
        let c0_at_3 = C0_AT_2.replace("Baw0000002", "Baw0000003");
        assert_eq!(breaches(&[(3, c0_at_3.as_str())]), 1, "2-0 is missing");
        assert_eq!(breaches(&[(2, C0_AT_1)]), 1, "with the id of another entry");
        assert_eq!(breaches(&[(2, "2-0")]), 2, "not a position of several channels, so the event has none");
    }
}
