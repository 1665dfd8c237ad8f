//! All kinds of attack, one file for each.

mod crowd;
mod far_behind;
mod flood;
mod handshakes;
mod http2_floods;
mod last;
mod link_back;
mod many_channels;
mod no_window;
mod random_channels;
mod rapid_reset;
mod silent;
mod tails;

use super::case::Case;

/// All of them, in the order in which they are run.
pub(super) const ALL: [Case; 14] = [
    far_behind::CASE,
    link_back::CASE,
    random_channels::CASE,
    last::CASE,
    flood::CASE,
    flood::FASTEST,
    crowd::CASE,
    many_channels::CASE,
    silent::CASE,
    handshakes::CASE,
    rapid_reset::CASE,
    http2_floods::CASE,
    no_window::CASE,
    tails::CASE,
];
