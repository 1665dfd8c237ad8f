//! Numbers that a cell has skipped.

use std::collections::HashMap;
use std::ops::Range;

/// Cells, and ranges of each, that are remembered. More are not told apart.
const MOST: usize = 10_000;

/// Skipped numbers, by the index of the cell.
#[derive(Debug, Default)]
pub(crate) struct Holes {
    by_cell: HashMap<usize, Vec<Range<u64>>>,
}

impl Holes {
    pub(crate) fn add(&mut self, cell: usize, skipped: Range<u64>) {
        if self.by_cell.len() < MOST || self.by_cell.contains_key(&cell) {
            let holes = self.by_cell.entry(cell).or_default();
            if holes.len() < MOST {
                holes.push(skipped);
            }
        }
    }

    /// Removes a number; whether it was there.
    pub(crate) fn fill(&mut self, cell: usize, number: u64) -> bool {
        let Some(holes) = self.by_cell.get_mut(&cell) else { return false };
        let Some(place) = holes.iter().position(|hole| hole.contains(&number)) else { return false };
        let hole = holes.swap_remove(place);
        let parts = [hole.start..number, number + 1..hole.end];
        holes.extend(parts.into_iter().filter(|part| !part.is_empty()));
        true
    }

    /// All cells and their holes, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Vec<Range<u64>>)> {
        self.by_cell.iter_mut().map(|(&cell, holes)| (cell, holes))
    }
}
