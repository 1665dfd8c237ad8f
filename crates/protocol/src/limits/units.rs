//! What limits are written with.

use std::time::Duration;

pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;

pub(super) const fn less(left: Duration, right: Duration) -> bool {
    left.as_millis() < right.as_millis()
}
