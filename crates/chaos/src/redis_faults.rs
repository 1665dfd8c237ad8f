//! What the schedule does to Redis and its streams, and how the ledger stays true meanwhile.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fanfare_e2e::{key, pace};
use fanfare_oracle::resp::{Connection, Reply};
use fanfare_oracle::{History, IncarnationEnd};

use crate::access;
use crate::action::{Action, CHANNELS, RedisStop, channel};
use crate::fsync::Fsync;
use crate::published_record::{JudgingHold, now_ms};
use crate::restore;
use crate::run::Run;
use crate::world::World;

/// A power failure takes what was written in this time.
const POWER_LOSS: Duration = Duration::from_millis(900);
/// The replica that takes over has not heard of what was done in this time, or longer ago if it was slow.
const BEHIND_MS: u64 = 5_000;
/// Redis may use as much memory as there is.
const NO_MEMORY_LIMIT: [&str; 4] = ["CONFIG", "SET", "maxmemory", "0"];
/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Two streams of one key within a millisecond could give one id to two events, which nobody can tell apart.
const APART: Duration = Duration::from_millis(3);

/// What Redis is doing, and what the schedule may do to it.
pub(crate) struct RedisFaults<'a> {
    run: &'a Run,
    fsync: Fsync,
    is_frozen: bool,
    /// Since when Redis has been down, and the proof that nothing is judged meanwhile.
    down: Option<(u64, JudgingHold<'a>)>,
    /// The former primary has not come back as a replica yet.
    replica_is_down: bool,
    /// Lengths of the append-only file, and when they were read.
    lengths: Vec<(Instant, PathBuf, u64)>,
}

impl<'a> RedisFaults<'a> {
    /// Redis runs, and the replica follows it.
    pub(crate) fn new(run: &'a Run, fsync: Fsync) -> Self {
        Self { run, fsync, is_frozen: false, down: None, replica_is_down: false, lengths: Vec::new() }
    }

    /// Whether Redis takes commands.
    pub(crate) fn hears(&self) -> bool {
        !self.is_down() && !self.is_frozen
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Whether there is no replica that could take over.
    pub(crate) fn replica_is_down(&self) -> bool {
        self.replica_is_down
    }

    /// Does what concerns Redis alone. `None` when it could not be done.
    pub(crate) fn act(&mut self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::FreezeRedis => {
                world.redis.freeze();
                self.is_frozen = true;
            }
            Action::ThawRedis => {
                world.redis.thaw();
                self.is_frozen = false;
            }
            Action::StopRedis(stop) => self.stop(world, stop),
            Action::StartRedis => self.start(world),
            Action::FailOver => self.fail_over(world)?,
            Action::Rejoin => self.rejoin(world),
            Action::KillClients(kind) => self.command(&["CLIENT", "KILL", "TYPE", kind])?,
            Action::TakeAccess(access) => self.command(&access::set_user(access.taken()))?,
            Action::GiveAccess(access) => self.command(&access::set_user(access.given()))?,
            Action::LimitMemory => self.command(&["CONFIG", "SET", "maxmemory", "1"])?,
            Action::LiftMemoryLimit => self.command(&NO_MEMORY_LIMIT)?,
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
        let reply = self.connection()?.try_words(words).ok()?;
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

    fn stop(&mut self, world: &mut World, stop: RedisStop) {
        // Before: what is published from now on may be lost.
        let hold = self.run.record.hold_judging();
        if stop == RedisStop::Term {
            world.redis.stop();
        } else {
            world.redis.kill();
        }
        if stop == RedisStop::Power && self.fsync == Fsync::Everysec {
            self.lose_power(world);
        }
        self.down = Some((now_ms(), hold));
    }

    /// Cuts off what was written lately: the operating system had not brought it to the disk.
    fn lose_power(&self, world: &World) {
        let kept = self.lengths.iter().rfind(|(at, ..)| at.elapsed() >= POWER_LOSS);
        let (Some((_, path, length)), Some((newest, now))) = (kept, world.redis.append_only_end()) else { return };
        if *path == newest && *length < now {
            let file = OpenOptions::new().write(true).open(path).expect("the append-only file");
            file.set_len(*length).expect("a file that can be cut");
        }
    }

    /// Remembers how long the append-only file is now.
    pub(crate) fn note_length(&mut self, world: &World) {
        if self.lengths.last().is_none_or(|(at, ..)| at.elapsed() >= POWER_LOSS / 10)
            && let Some((path, length)) = world.redis.append_only_end()
        {
            self.lengths.retain(|(at, ..)| at.elapsed() < POWER_LOSS * 3);
            self.lengths.push((Instant::now(), path, length));
        }
    }

    /// Starts Redis again after it was stopped.
    fn start(&mut self, world: &mut World) {
        let Some((since, hold)) = self.down.take() else { return };
        let _alone = self.run.record.replacing();
        self.run.record.note_restart();
        world.redis.launch();
        self.compare_all(since);
        drop(hold);
    }

    /// The replica takes the place of the primary, which takes no writes any more and dies.
    fn fail_over(&mut self, world: &mut World) -> Option<()> {
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
        world.redis.kill();
        let since = now_ms();
        pace(APART);
        world.promote();
        self.replica_is_down = true;
        for index in 0..CHANNELS {
            let heard_ms = since.saturating_sub(BEHIND_MS);
            let undo = |history: &mut History| history.undo_flushes(history.incarnation_at(heard_ms));
            self.run.record.ledger.with(&channel(index), undo);
        }
        self.compare_all(since);
        Some(())
    }

    fn rejoin(&mut self, world: &mut World) {
        world.rejoin();
        self.replica_is_down = false;
    }

    /// Ends whatever was done to the servers.
    pub(crate) fn heal(&mut self, world: &mut World) {
        if self.is_frozen {
            world.redis.thaw();
        }
        if self.is_down() {
            self.start(world);
        }
        if self.replica_is_down {
            self.rejoin(world);
        }
        for words in [access::set_user(access::everything()), NO_MEMORY_LIMIT.to_vec()] {
            if self.command(&words).is_none() {
                self.run.counters.breach(|| format!("Redis did not take {words:?} after it had healed"));
            }
        }
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
