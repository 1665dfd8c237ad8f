//! Tells the store how many readers the node has, and asks it how many there are on all nodes.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{
    OCCUPANCY_BATCH_MAX, OCCUPANCY_FAREWELL, OCCUPANCY_KEEP_SECONDS, OCCUPANCY_RENEW_INTERVAL, OCCUPANCY_ROUND,
    OCCUPANCY_ROUND_PART,
};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use super::counted::Occupancy;
use super::store::{NodeLife, OccupancyError, OccupancyStore};
use super::tally::Tally;
use crate::random::Random;

/// Reports for one node. It renews the node's **life** every [`OCCUPANCY_RENEW_INTERVAL`] while the node counts anybody, and about once
/// in [`OCCUPANCY_ROUND`] does a **round**: what has changed is written, each channel at most once, and what is watched is asked. A round
/// that takes long puts the next one off, so that rounds take at most a quarter of the time.
///
/// Whenever it is not sure that the store counts this node (its life lapsed while it stood still, a call failed, the store lost its data)
/// it gives the life up, begins another one and writes everything again. So what it wrote before counts no more, and nothing counts twice.
#[derive(Debug)]
pub struct Reporter {
    occupancy: Occupancy,
    store: Arc<dyn OccupancyStore>,
    random: Random,
    life: Option<NodeLife>,
    /// The life before this one, which may last in the store.
    former: Option<NodeLife>,
    renew_at: Instant,
    round_at: Instant,
    /// The zero of the seconds in `kept`.
    began: Instant,
    /// The second up to which what is written was renewed.
    kept: u64,
}

impl Reporter {
    /// Of these channels, to this store. `random` is for names of lives and for the spread of rounds over nodes.
    #[must_use]
    pub fn new(occupancy: Occupancy, store: Arc<dyn OccupancyStore>, random: Random) -> Self {
        let now = Instant::now();
        let round_at = now + random.between(Duration::ZERO, OCCUPANCY_ROUND);
        Self { occupancy, store, random, life: None, former: None, renew_at: now, round_at, began: now, kept: 0 }
    }

    /// Reports until `stop` resolves, and then tells the store that this node counts nobody any more, if that can be told soon.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        if self.occupancy.is_off() {
            return stop.await;
        }
        {
            let mut stop = std::pin::pin!(stop);
            let reporting = async {
                loop {
                    sleep_until(self.renew_at.min(self.round_at)).await;
                    self.turn().await;
                }
            };
            tokio::select! {
                () = &mut stop => {}
                () = reporting => {}
            }
        }
        drop(timeout(OCCUPANCY_FAREWELL, self.leave()).await);
    }

    async fn turn(&mut self) {
        self.renew().await;
        if Instant::now() < self.round_at {
            return;
        }
        let began = Instant::now();
        let stats = self.occupancy.stats();
        let done = (stats.written.get(), stats.asked.get());
        let outcome = self.round().await;
        let (now, stats) = (Instant::now(), self.occupancy.stats());
        let took = now - began;
        match outcome {
            Ok(()) => {
                stats.went_well(began);
                if done != (stats.written.get(), stats.asked.get()) {
                    stats.rounds.add(1);
                    stats.lengths.record(took);
                }
                self.round_at = began + OCCUPANCY_ROUND.max(took * OCCUPANCY_ROUND_PART);
            }
            Err(error) => {
                stats.was_broken_off(error, now);
                self.forget_totals().await;
                self.round_at = now + OCCUPANCY_ROUND;
            }
        }
    }

    async fn round(&mut self) -> Result<(), OccupancyError> {
        self.write_changes().await?;
        self.keep_some().await?;
        if self.occupancy.channels().0 == 0 {
            self.end_life().await?;
        }
        self.ask().await
    }

    /// Renews the life, if that is due. One that has ended, or of which that is not known, is given up.
    async fn renew(&mut self) {
        if Instant::now() < self.renew_at {
            return;
        }
        self.renew_at = Instant::now() + OCCUPANCY_RENEW_INTERVAL;
        let Some(life) = self.life else { return };
        match self.store.renew(life).await {
            Ok(true) => {}
            Ok(false) => {
                self.give_life_up().await;
                self.round_at = Instant::now();
            }
            // Why is told by the round, which has everything to write again.
            Err(_) => self.give_life_up().await,
        }
    }

    /// What was written in this life counts no more: all is to be written again, in another one.
    async fn give_life_up(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.former = Some(life);
        self.for_all(|occupancy, tally| {
            tally.set_told(0);
            if tally.readers() > 0 {
                occupancy.note(tally);
            }
        })
        .await;
    }

    /// The life in which is written now.
    async fn life(&mut self) -> Result<NodeLife, OccupancyError> {
        if let Some(life) = self.life {
            return Ok(life);
        }
        let life = NodeLife::of(self.random.number());
        self.store.begin(life, self.former).await?;
        self.occupancy.stats().lives.add(1);
        (self.life, self.former) = (Some(life), None);
        self.renew_at = Instant::now() + OCCUPANCY_RENEW_INTERVAL;
        Ok(life)
    }

    /// Writes what has changed, and forgets channels without readers.
    async fn write_changes(&mut self) -> Result<(), OccupancyError> {
        let changed = self.occupancy.lock().take_changed();
        // Before they are looked at, so that no later change is missed; and not under the lock, for which threads wait.
        changed.iter().for_each(|tally| tally.unmark());
        let mut written = Ok(());
        for batch in changed.chunks(OCCUPANCY_BATCH_MAX) {
            written = self.write(batch).await;
            if written.is_err() {
                self.give_life_up().await;
                // Now the store counts none of them. Those with readers are told in another life.
                let with_readers = changed.iter().filter(|tally| tally.readers() > 0);
                with_readers.for_each(|tally| self.occupancy.note(tally));
                break;
            }
            self.renew().await;
        }
        self.forget(changed);
        written
    }

    async fn write(&mut self, batch: &[Arc<Tally>]) -> Result<(), OccupancyError> {
        let change =
            |tally: &Arc<Tally>| Some((Arc::clone(tally), tally.readers())).filter(|(_, now)| *now != tally.told());
        let changes: Vec<_> = batch.iter().filter_map(change).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let life = self.life().await?;
        let readers: Vec<(ChannelName, u32)> =
            changes.iter().map(|(tally, readers)| (tally.name().clone(), *readers)).collect();
        self.store.write(life, readers).await?;
        changes.iter().for_each(|(tally, readers)| tally.set_told(*readers));
        self.occupancy.stats().written.add(changes.len() as u64);
        Ok(())
    }

    /// Forgets those of which the store knows that nobody reads them here.
    fn forget(&self, changed: Vec<Arc<Tally>>) {
        for tally in changed.into_iter().filter(|tally| tally.readers() == 0) {
            let is_gone = tally.told() == 0 && self.occupancy.lock().forget(&tally);
            // A thread is just about to let it go, or the life was given up meanwhile: the next round looks again.
            if !is_gone {
                self.occupancy.note(&tally);
            }
        }
    }

    /// Renews what is written, of a part of the channels in each second. Of those that are not in the store any more all is written again.
    async fn keep_some(&mut self) -> Result<(), OccupancyError> {
        let now = self.began.elapsed().as_secs();
        let seconds = now.saturating_sub(self.kept).min(OCCUPANCY_KEEP_SECONDS);
        self.kept = now;
        let parts = usize::try_from(OCCUPANCY_KEEP_SECONDS).unwrap_or(usize::MAX);
        for second in now - seconds..now {
            let mut from = usize::try_from(second % OCCUPANCY_KEEP_SECONDS).ok();
            while let Some(slot) = from {
                let (mut part, next) = self.occupancy.lock().some(slot, parts, OCCUPANCY_BATCH_MAX);
                from = next;
                part.retain(|tally| tally.told() > 0);
                self.keep(&part).await?;
                self.renew().await;
            }
        }
        Ok(())
    }

    async fn keep(&self, part: &[Arc<Tally>]) -> Result<(), OccupancyError> {
        if part.is_empty() {
            return Ok(());
        }
        let kept = self.store.keep(names(part)).await?;
        for (tally, _) in part.iter().zip(kept).filter(|(_, is_kept)| !is_kept) {
            tally.set_told(0);
            self.occupancy.note(tally);
        }
        // Whoever asks for a count removes what dead nodes have left. Of a channel for which nobody asks, that is done here.
        let unasked: Vec<_> = part.iter().filter(|tally| tally.total().is_none()).cloned().collect();
        if unasked.is_empty() { Ok(()) } else { self.store.read(names(&unasked)).await.map(drop) }
    }

    /// Ends a life in which nothing is written any more.
    async fn end_life(&mut self) -> Result<(), OccupancyError> {
        if let Some(life) = self.life.take() {
            self.former = Some(life);
            self.store.end(life, Vec::new()).await?;
            self.former = None;
        }
        Ok(())
    }

    /// Asks how many read the channels that somebody watches.
    async fn ask(&mut self) -> Result<(), OccupancyError> {
        let (mut from, mut has_asked) = (0, false);
        loop {
            let batch = self.occupancy.lock().some_watched(from, OCCUPANCY_BATCH_MAX);
            let Some(last) = batch.last() else { break };
            from = last.slot() + 1;
            let totals = self.store.read(names(&batch)).await?;
            batch.iter().zip(totals).for_each(|(tally, total)| tally.set_total(Some(total)));
            self.occupancy.stats().asked.add(batch.len() as u64);
            has_asked = true;
            self.renew().await;
        }
        if has_asked {
            self.occupancy.rounds().end();
        }
        Ok(())
    }

    /// Nothing is known any more of how many there are.
    async fn forget_totals(&self) {
        self.for_all(|_, tally| tally.set_total(None)).await;
    }

    /// Does something with each tally, a part of them at a time: neither are threads kept from theirs for long, nor others on this one from
    /// their turn.
    async fn for_all(&self, act: impl Fn(&Occupancy, &Arc<Tally>)) {
        let mut from = Some(0);
        while let Some(slot) = from {
            let (some, next) = self.occupancy.lock().some(slot, 1, OCCUPANCY_BATCH_MAX);
            some.iter().for_each(|tally| act(&self.occupancy, tally));
            from = next;
            yield_now().await;
        }
    }

    /// Tells the store that this node counts nobody any more.
    async fn leave(&mut self) {
        let Some(life) = self.life.take() else { return };
        let mut from = Some(0);
        while let Some(slot) = from {
            let (mut some, next) = self.occupancy.lock().some(slot, 1, OCCUPANCY_BATCH_MAX);
            from = next;
            some.retain(|tally| tally.told() > 0);
            if self.store.end(life, names(&some)).await.is_err() {
                return;
            }
        }
    }
}

fn names(tallies: &[Arc<Tally>]) -> Vec<ChannelName> {
    tallies.iter().map(|tally| tally.name().clone()).collect()
}
