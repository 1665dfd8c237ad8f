//! The one hand-off between threads, under loom: `src/channel.rs` itself, compiled with loom's locks, atomics and threads,
//! and every order in which they can meet (up to two preemptions of a thread that could have gone on).
//!
//! A mark that is lost is a thread that waits for ever, which loom reports as a deadlock. Seen for each of these, one at a
//! time: a bit cleared after looking, in either direction; a notification before the push; a mark before the change; a
//! wake before the mark; a touch before the want; a view that looks before it is registered; a viewer registered after the
//! directory was unlocked; a `forget` that looks for viewers before it locks; a channel that gave up its place and is handed to the
//! ingest after the directory was unlocked; all orderings `Relaxed`.
//!
//! What the model does not cover: the registry and the views, for which a number behind the channel's lock stands here;
//! tokio's `Notify`, for which the type below stands, with its promise that a permit is kept and that one is enough; more
//! than two connection threads, more than two channels, and more than two changes; and the copy of a tail, which happens
//! under the lock. `tests/threads.rs` runs all of that on real threads.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::HashMap;

use fanfare_protocol::{ChannelName, LogName};
use loom::future::block_on;
use loom::thread;

use channel::{Channel, Hub};
use sync::{Arc, AtomicBool, Ordering};
use wants::Want;

#[path = "../src/channel.rs"]
mod channel;

#[path = "../src/coverage.rs"]
mod coverage;

#[path = "../src/payer.rs"]
mod payer;

#[path = "../src/places.rs"]
mod places;

#[path = "../src/refusal.rs"]
mod refusal;

#[path = "../src/wants.rs"]
mod wants;

/// The hub hands it on and does nothing with it.
mod occupancy {
    #[derive(Debug, Default)]
    pub struct Occupancy(());
}

/// What `src/sync.rs` is in the product.
mod sync {
    use std::future::poll_fn;
    use std::task::{Poll, Waker};

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;

    /// One waiter, and a permit that is kept for it.
    #[derive(Debug, Default)]
    pub(crate) struct Notify(Mutex<(bool, Option<Waker>)>);

    impl Notify {
        pub(crate) fn notify_one(&self) {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        }

        pub(crate) async fn notified(&self) {
            poll_fn(|cx| {
                let mut state = self.0.lock().unwrap();
                if std::mem::take(&mut state.0) {
                    return Poll::Ready(());
                }
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
        }
    }
}

mod newest_answers {
    #[derive(Debug, Default)]
    pub struct NewestAnswers;
}

mod pages {
    #[derive(Debug, Default)]
    pub struct Pages;
}

mod tail {
    /// How often the channel has changed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
    pub struct Tail(pub usize);
}

use tail::Tail;

fn explore(cores: usize, places: usize, model: impl Fn(Arc<Hub>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || model(Arc::new(Hub::with_places(cores, places))));
}

fn name() -> LogName {
    LogName::from(ChannelName::parse("orders").unwrap())
}

fn view(hub: &Hub, name: &LogName, core: usize) -> Arc<Channel> {
    hub.add_viewer(name, core, payer::Payer::NODE).expect("there is a place")
}

/// What a view takes over.
fn look(channel: &Channel) -> usize {
    channel.lock().tail.map_or(0, |Tail(changes)| changes)
}

/// The ingest: the channel's state first, then its mark.
fn change(hub: &Hub, channel: &Arc<Channel>) {
    let mut shared = channel.lock();
    let changes = shared.tail.map_or(0, |Tail(changes)| changes);
    shared.tail = Some(Tail(changes + 1));
    drop(shared);
    let mut wake = 0;
    hub.notify_cores(channel, &mut wake);
    hub.wake(wake);
}

/// A connection thread: registers first, then looks, as `View::new` does; then looks whenever it is told to.
fn read_until(hub: &Hub, core: usize, wanted: usize) -> Arc<Channel> {
    let channel = view(hub, &name(), core);
    let mut seen = look(&channel);
    let mut dirty = Vec::new();
    while seen < wanted {
        block_on(hub.dirty(core));
        hub.take_dirty(core, &mut dirty);
        // A mark of a channel that was viewed before may still be there.
        if dirty.drain(..).any(|dirty| dirty.key == channel.key) {
            seen = look(&channel);
        }
    }
    channel
}

/// The ingest's side of a turn: waits, and takes what was touched.
fn touched(hub: &Hub) -> Vec<Arc<Channel>> {
    let mut channels = Vec::new();
    block_on(hub.touched());
    hub.take_touched(&mut channels);
    channels
}

#[test]
fn no_change_is_missed_by_a_reader_that_comes_at_any_time() {
    explore(1, 2, |hub| {
        let reader = thread::spawn({
            let hub = Arc::clone(&hub);
            move || read_until(&hub, 0, 2)
        });
        let channels = touched(&hub);
        let [channel] = &channels[..] else { panic!("a new channel is touched once") };
        change(&hub, channel);
        change(&hub, channel);
        reader.join().unwrap();
    });
}

#[test]
fn no_change_is_missed_by_a_second_thread_that_comes_while_the_first_is_served() {
    explore(2, 2, |hub| {
        let readers = [0, 1].map(|core| {
            let hub = Arc::clone(&hub);
            thread::spawn(move || read_until(&hub, core, 1))
        });
        let mut changed = false;
        while !changed {
            for channel in touched(&hub) {
                if !std::mem::replace(&mut changed, true) {
                    change(&hub, &channel);
                }
            }
        }
        readers.into_iter().for_each(|reader| drop(reader.join().unwrap()));
    });
}

#[test]
fn no_want_is_missed_by_the_ingest() {
    explore(1, 2, |hub| {
        let reader = thread::spawn({
            let hub = Arc::clone(&hub);
            move || {
                let channel = view(&hub, &name(), 0);
                for want in [Want::Newest(1), Want::Newest(2)] {
                    channel.lock().wants.insert(payer::Payer::NODE, want);
                    hub.notify_ingest(&channel);
                }
            }
        });
        let mut wants = std::collections::BTreeSet::new();
        while wants.len() < 2 {
            for channel in touched(&hub) {
                wants.extend(channel.lock().wants.iter().copied());
            }
        }
        reader.join().unwrap();
    });
}

#[test]
fn no_reader_is_left_with_a_channel_that_is_forgotten() {
    explore(1, 2, |hub| {
        let stop = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (hub, stop) = (Arc::clone(&hub), Arc::clone(&stop));
            move || {
                let first = view(&hub, &name(), 0);
                hub.remove_viewer(&first, 0);
                let second = read_until(&hub, 0, 1);
                assert!(!second.is_forgotten());
                stop.store(true, Ordering::Release);
                hub.remove_viewer(&second, 0);
            }
        });
        // As `Registry::on_touched`, with a linger that ends at once.
        while !stop.load(Ordering::Acquire) {
            for channel in touched(&hub) {
                if channel.is_forgotten() {
                } else if channel.has_viewers() {
                    change(&hub, &channel);
                } else {
                    hub.forget(&channel);
                }
            }
        }
        reader.join().unwrap();
    });
}

#[test]
fn the_ingest_hears_that_a_channel_gave_up_its_place_before_it_hears_of_one_of_the_same_name() {
    explore(2, 2, |hub| {
        let [orders, prices, stocks] =
            ["orders", "prices", "stocks"].map(|text| ChannelName::parse(text).unwrap().into());
        // Both linger, and whatever comes takes the place of one of them.
        let old = [&orders, &prices].map(|name| view(&hub, name, 0));
        old.iter().for_each(|channel| hub.remove_viewer(channel, 0));
        let mut open: HashMap<LogName, usize> = HashMap::new();
        open.extend(touched(&hub).iter().map(|channel| (channel.name.clone(), channel.key)));
        let readers = [(0, stocks), (1, orders)].map(|(core, name)| {
            let hub = Arc::clone(&hub);
            thread::spawn(move || drop(view(&hub, &name, core)))
        });
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        // As `Registry::on_touched`.
        for channel in touched(&hub) {
            if channel.is_forgotten() {
                open.remove(&channel.name);
                hub.note_closed(&channel);
            } else {
                let before = open.insert(channel.name.clone(), channel.key);
                assert!(before.is_none_or(|key| key == channel.key), "its predecessor is still open");
            }
        }
        assert_eq!(open.len(), 2);
    });
}
