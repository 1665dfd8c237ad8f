//! What leaves the memory of logs, so that tails and pages stay within their bounds. It can be read again from the archive.

use super::channel_log::ChannelLog;
use super::directory::Directory;
use super::spared_pages::SparedPages;
use crate::budget::{Budget, Charge};
use crate::channel::Channel;
use crate::options::Options;
use crate::tail::Tail;

/// Keeps one tail within its own bounds. The newest item always stays.
pub(super) fn beyond_bounds(tail: &mut Tail, budget: &mut Budget, options: &Options) {
    while tail.len() > options.tail_entries.max(1) || (tail.bytes() > options.tail_bytes && tail.len() > 1) {
        budget.release(tail.pop_front());
    }
}

/// Evicts the coldest until the node is within its budget, but no page that is to be spared. Calls `evicted` for each log that
/// lost something, with the number of items and pages.
pub(super) fn beyond_budget(
    logs: &Directory,
    budget: &mut Budget,
    mut spared_pages: SparedPages,
    mut evicted: impl FnMut(&ChannelLog, usize),
) {
    let mut spared = Vec::new();
    while let Some(charge) = budget.victim(spared.len()) {
        let (Charge::Item { channel: key, .. } | Charge::Page { channel: key, .. }) = charge;
        let Some(log) = logs.get(key) else { continue };
        let mut shared = log.channel.lock();
        let mut released = Vec::new();
        match charge {
            Charge::Item { index, .. } => {
                if let Some(tail) = &mut shared.tail {
                    while tail.first() <= index && !tail.is_empty() {
                        released.push(tail.pop_front());
                    }
                }
            }
            Charge::Page { number, .. } if shared.pages.get(number).is_some_and(|page| spared_pages.spares(page)) => {
                spared.push(charge);
            }
            Charge::Page { number, .. } => released.extend(shared.pages.remove(number)),
        }
        drop(shared);
        if !released.is_empty() {
            evicted(log, released.len());
            released.into_iter().for_each(|bytes| budget.release(bytes));
        }
    }
    budget.spare(spared);
    budget.compact(|charge| match charge {
        Charge::Item { channel, index } => logs
            .get(channel)
            .is_some_and(|log| log.channel.lock().tail.as_ref().is_some_and(|tail| tail.first() <= index)),
        Charge::Page { channel, number } => {
            logs.get(channel).is_some_and(|log| log.channel.lock().pages.contains(number))
        }
    });
}

/// Forgets every page of a channel.
pub(super) fn pages(channel: &Channel, budget: &mut Budget) {
    let released = channel.lock().pages.clear();
    released.into_iter().for_each(|bytes| budget.release(bytes));
}

/// Forgets what was told of entries that could not be read.
pub(super) fn skips(channel: &Channel, budget: &mut Budget) {
    let released = channel.lock().pages.remove_unavailable();
    released.into_iter().for_each(|bytes| budget.release(bytes));
}

/// Forgets everything that a channel holds.
pub(super) fn everything(channel: &Channel, budget: &mut Budget) {
    pages(channel, budget);
    if let Some(tail) = &mut channel.lock().tail {
        while !tail.is_empty() {
            budget.release(tail.pop_front());
        }
    }
}
