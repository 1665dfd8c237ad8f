//! All kinds of attack, one file for each.

mod crowd;
mod far_behind;
mod flood;
mod last;
mod link_back;
mod many_channels;
mod random_channels;
mod silent;
mod tails;

use super::case::Case;

/// All of them, in the order in which they are run.
pub(super) const ALL: [Case; 10] = [
    far_behind::CASE,
    link_back::CASE,
    random_channels::CASE,
    last::CASE,
    flood::CASE,
    flood::FASTEST,
    crowd::CASE,
    many_channels::CASE,
    silent::CASE,
    tails::CASE,
];
