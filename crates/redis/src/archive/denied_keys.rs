//! Which keys of a transaction this user may not read. A single one keeps the whole transaction from being run.

use fanfare_protocol::LogName;

use crate::error::Error;

/// What was denied of a transaction that asks for the ends of some streams, and then for the lives of some of these.
#[derive(Debug)]
pub(super) struct DeniedKeys<'a> {
    /// For each stream why it may not be read; `None`: it was not denied.
    pub(super) streams: Vec<Option<Error>>,
    /// Those of which the life may not be asked.
    pub(super) lives: Vec<&'a LogName>,
}

impl<'a> DeniedKeys<'a> {
    /// Sorts what was refused: `refused` are places in the transaction. What was refused for another reason, as all commands are while
    /// the memory of Redis is full, says nothing about a key. `None`: nothing was denied.
    ///
    /// # Errors
    /// What was denied concerns all streams.
    pub(super) fn of(
        refused: Vec<(usize, Error)>,
        streams: usize,
        asked: &[&'a LogName],
    ) -> Result<Option<Self>, Error> {
        let mut denied = Self { streams: vec![None; streams], lives: Vec::new() };
        let mut is_any = false;
        for (place, error) in refused.into_iter().filter(|(_, error)| matches!(error, Error::Denied(_))) {
            is_any = true;
            match (denied.streams.get_mut(place), asked.get(place.wrapping_sub(streams))) {
                (Some(of_stream), _) => *of_stream = Some(error),
                (None, Some(log)) => denied.lives.push(log),
                (None, None) => return Err(error),
            }
        }
        Ok(is_any.then_some(denied))
    }

    /// The channels whose streams were not denied.
    pub(super) fn rest(&self, channels: &[LogName]) -> Vec<LogName> {
        let is_left = |(_, denied): &(&LogName, &Option<Error>)| denied.is_none();
        channels.iter().zip(&self.streams).filter(is_left).map(|(channel, _)| channel.clone()).collect()
    }

    /// An answer for each channel: what was denied, and the answers for the rest.
    pub(super) fn merge<T>(self, rest: Vec<Result<T, Error>>) -> Vec<Result<T, Error>> {
        let mut rest = rest.into_iter();
        let answer =
            |denied: Option<Error>| denied.map_or_else(|| rest.next().unwrap_or(Err(Error::Shape("EXEC"))), Err);
        self.streams.into_iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::ChannelName;

    use super::*;

    fn name(text: &str) -> LogName {
        LogName::from(ChannelName::parse(text).unwrap())
    }

    fn denied() -> Error {
        Error::Denied("NOPERM".into())
    }

    #[test]
    fn only_what_was_denied_says_something_of_a_key() {
        let channels = [name("a"), name("b")];
        let asked = [&channels[1]];
        let full = || Error::Reply("OOM command not allowed".into());
        // Two streams, one life, TIME and the epoch key.
        let of = |refused| DeniedKeys::of(refused, 2, &asked);
        assert!(of((0..5).map(|place| (place, full())).collect()).unwrap().is_none());
        let found = of(vec![(0, full()), (1, denied()), (2, denied()), (3, full()), (4, full())]).unwrap().unwrap();
        assert_eq!((found.rest(&channels), found.lives.as_slice()), (vec![name("a")], asked.as_slice()));
        assert_eq!(found.merge(vec![Ok(7)]), [Ok(7), Err(denied())]);
        assert_eq!(of(vec![(0, full()), (3, denied())]).unwrap_err(), denied(), "the time is everybody's");
    }
}
