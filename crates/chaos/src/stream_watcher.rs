//! Looks at the oldest entry of every stream all the time: what a stream still had when a gap was told, it had not lost.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fanfare_e2e::{key, pace};
use fanfare_oracle::resp::{Connection, Reply};

use crate::action::{CHANNELS, channel};
use crate::published_record::now_ms;
use crate::run::Run;

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_millis(150);

/// Watches until the run is over.
pub(crate) fn watch(run: &Run) {
    let mut connection = None;
    while !run.over.load(Ordering::Acquire) {
        // A Redis that is away or frozen has nothing to show, and needs no watching.
        connection = connection.take().or_else(|| Connection::open_with(run.redis, INTERVAL * 4).ok());
        connection = connection.and_then(|mut redis| look(run, &mut redis).ok().map(|()| redis));
        pace(INTERVAL);
    }
}

fn look(run: &Run, redis: &mut Connection) -> io::Result<()> {
    // So that no stream is replaced between the question and the note.
    let _open = run.record.publishing();
    for index in 0..CHANNELS {
        let (name, asked) = (channel(index), now_ms());
        let reply = redis.try_command(&[b"XRANGE", key(&name).as_bytes(), b"-", b"+", b"COUNT", b"1"])?;
        let Reply::Array(entries) = reply else { return Err(io::ErrorKind::InvalidData.into()) };
        let oldest = entries.first().and_then(|entry| entry.array().first()?.text().parse().ok());
        run.record.ledger.with(&name, |history| history.look(asked, oldest));
    }
    Ok(())
}
