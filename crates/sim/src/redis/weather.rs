//! What goes wrong by itself. Chances are in thousandths.

/// What goes wrong by itself, all the time. Each number is a chance.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) lost_pushes: usize,
    pub(crate) doubled_pushes: usize,
    /// A push changes places with the one before it.
    pub(crate) swapped_pushes: usize,
    /// Commands and pushes that take up to 300 ms longer.
    pub(crate) late: usize,
    /// Commands that are refused for a reason that passes.
    pub(crate) refused: usize,
    /// Every read is refused, and what the publishing function says is lost; what else is said arrives.
    pub(crate) refuses_reads: bool,
}

impl Weather {
    /// Whether whatever is asked is answered at once.
    pub(super) fn is_punctual(&self) -> bool {
        self.late == 0 && self.refused == 0
    }
}
