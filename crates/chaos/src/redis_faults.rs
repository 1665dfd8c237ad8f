//! What the schedule does to Redis and its streams, and how the ledger stays true meanwhile.

use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use fanfare_e2e::{key, pace};
use fanfare_oracle::IncarnationEnd;
use fanfare_oracle::resp::{Connection, Reply};

use crate::fault_runner::FaultRunner;
use crate::plan::{Action, CHANNELS, RedisStop};
use crate::producer::channel;
use crate::published_record::now_ms;
use crate::restore;
use crate::world::Fsync;

/// A power failure takes what was written in this time.
const POWER_LOSS: Duration = Duration::from_millis(900);
/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Two streams of one key within a millisecond could give one id to two events, which nobody can tell apart.
const APART: Duration = Duration::from_millis(3);

impl FaultRunner<'_> {
    /// Does what concerns Redis alone. `None` when it could not be done.
    pub(super) fn act_on_redis(&mut self, action: Action) -> Option<()> {
        match action {
            Action::FreezeRedis => {
                self.world.redis.freeze();
                self.redis_frozen = true;
            }
            Action::ThawRedis => {
                self.world.redis.thaw();
                self.redis_frozen = false;
            }
            Action::StopRedis(stop) => self.stop_redis(stop),
            Action::StartRedis => self.start_redis(),
            Action::FailOver => self.fail_over()?,
            Action::Rejoin => self.rejoin(),
            Action::KillClients(kind) => self.command(&["CLIENT", "KILL", "TYPE", kind])?,
            Action::Trim(index, kept) => {
                self.command(&["XTRIM", &key(&channel(index)), "MAXLEN", &kept.to_string()])?;
            }
            Action::TrimBefore(index, back) => self.trim_before(index, back)?,
            Action::Retract(index, back) => self.retract(index, back)?,
            Action::Expire(index) => self.expire(index)?,
            Action::Delete(index) => {
                self.delete(&[channel(index)], IncarnationEnd::Deleted, &["DEL", &key(&channel(index))])?;
            }
            Action::FlushAll => {
                let channels: Vec<String> = (0..CHANNELS).map(channel).collect();
                self.delete(&channels, IncarnationEnd::Flushed, &["FLUSHALL"])?;
            }
            _ => return None,
        }
        Some(())
    }

    fn connection(&self) -> Option<Connection> {
        Connection::open_with(self.run.redis, PATIENCE).ok()
    }

    fn command(&self, words: &[&str]) -> Option<()> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let reply = self.connection()?.try_command(&words).ok()?;
        // `CLIENT KILL TYPE normal` kills others only; XTRIM of nothing trims nothing.
        reply.error().is_none().then_some(())
    }

    /// Trims everything before the entry that so many others have followed.
    fn trim_before(&mut self, index: usize, back: u64) -> Option<()> {
        let name = channel(index);
        let first = self.run.record.ledger.with(&name, |history| {
            let entries = &history.present_incarnation().entries;
            Some(entries.get(entries.len().checked_sub(back as usize + 1)?)?.id.to_string())
        })?;
        self.command(&["XTRIM", &key(&name), "MINID", &first])
    }

    /// Retracts the entry that so many others have followed.
    fn retract(&mut self, index: usize, back: u64) -> Option<()> {
        let name = channel(index);
        // From now on nobody need see it. Whether `XDEL` is answered does not matter.
        let id = self.run.record.ledger.with(&name, |history| history.retract_newest(back as usize))?;
        self.command(&["XDEL", &key(&name), &id.to_string()])
    }

    /// Deletes streams, which begin anew; no publish is under way meanwhile.
    fn delete(&mut self, channels: &[String], end: IncarnationEnd, words: &[&str]) -> Option<()> {
        let _alone = self.run.record.replacing();
        let _hold = self.run.record.hold_judging();
        let mut redis = self.connection()?;
        for channel in channels {
            restore::note_unknown(&self.run.record.ledger, &mut redis, channel).ok()?;
        }
        let began = now_ms();
        self.command(words)?;
        for channel in channels {
            self.run.record.ledger.with(channel, |history| history.end(end, began));
        }
        pace(APART);
        Some(())
    }

    /// Lets a stream expire at once, and waits until it has; no publish is under way meanwhile.
    fn expire(&mut self, index: usize) -> Option<()> {
        let name = channel(index);
        let _alone = self.run.record.replacing();
        let _hold = self.run.record.hold_judging();
        let mut redis = self.connection()?;
        restore::note_unknown(&self.run.record.ledger, &mut redis, &name).ok()?;
        let (key, began) = (key(&name), now_ms());
        // 0: there is no stream.
        let reply = redis.try_command(&[b"PEXPIRE", key.as_bytes(), b"1"]).ok()?;
        (reply == Reply::Integer(1)).then_some(())?;
        while redis.try_command(&[b"EXISTS", key.as_bytes()]).ok()? == Reply::Integer(1) {
            pace(Duration::from_millis(1));
        }
        self.run.record.ledger.with(&name, |history| history.expire_by_hand(began));
        pace(APART);
        Some(())
    }

    fn stop_redis(&mut self, stop: RedisStop) {
        // Before: what is published from now on may be lost.
        let hold = self.run.record.hold_judging();
        if stop == RedisStop::Term {
            self.world.redis.stop();
        } else {
            self.world.redis.kill();
        }
        if stop == RedisStop::Power && self.fsync == Fsync::Everysec {
            self.lose_power();
        }
        self.redis_down = Some((now_ms(), hold));
    }

    /// Cuts off what was written lately: the operating system had not brought it to the disk.
    fn lose_power(&mut self) {
        let kept = self.lengths.iter().rfind(|(at, ..)| at.elapsed() >= POWER_LOSS);
        let (Some((_, path, length)), Some((newest, now))) = (kept, self.world.redis.append_only_end()) else { return };
        if *path == newest && *length < now {
            let file = OpenOptions::new().write(true).open(path).expect("the append-only file");
            file.set_len(*length).expect("a file that can be cut");
        }
    }

    /// Remembers how long the append-only file is now.
    pub(super) fn note_length(&mut self) {
        if self.lengths.last().is_none_or(|(at, ..)| at.elapsed() >= POWER_LOSS / 10)
            && let Some((path, length)) = self.world.redis.append_only_end()
        {
            self.lengths.retain(|(at, ..)| at.elapsed() < POWER_LOSS * 3);
            self.lengths.push((Instant::now(), path, length));
        }
    }

    /// Starts Redis again after it was stopped.
    pub(super) fn start_redis(&mut self) {
        let Some((since, hold)) = self.redis_down.take() else { return };
        let _alone = self.run.record.replacing();
        self.run.record.note_restart();
        self.world.redis.launch();
        self.compare_all(since);
        drop(hold);
    }

    /// The replica takes the place of the primary, which takes no writes any more and dies.
    fn fail_over(&mut self) -> Option<()> {
        let _alone = self.run.record.replacing();
        let _hold = self.run.record.hold_judging();
        self.run.record.note_restart();
        let mut redis = self.connection()?;
        // So that what is looked at now is all that there will ever be.
        let paused = redis.try_command(&[b"CLIENT", b"PAUSE", b"5000", b"WRITE"]).ok()?;
        paused.error().is_none().then_some(())?;
        for index in 0..CHANNELS {
            restore::note_unknown(&self.run.record.ledger, &mut redis, &channel(index)).ok()?;
        }
        self.world.redis.kill();
        let since = now_ms();
        pace(APART);
        self.world.promote();
        self.replica_is_down = true;
        self.compare_all(since);
        Some(())
    }

    pub(super) fn rejoin(&mut self) {
        self.world.rejoin();
        self.replica_is_down = false;
    }

    /// Compares every stream with the ledger after Redis was down since `since`.
    fn compare_all(&mut self, since: u64) {
        self.lengths.clear();
        let mut redis = self.connection().expect("redis-server answered a moment ago");
        for index in 0..CHANNELS {
            let lost = restore::compare(&self.run.record.ledger, &mut redis, &channel(index), since);
            self.run.counters.forgotten.add(lost.expect("redis-server answered a moment ago"));
        }
    }
}
