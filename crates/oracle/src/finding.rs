//! What the judge says.

use crate::observed::Gap;
use crate::ruling::Ruling;

/// What the judge says about a step.
#[derive(Clone, Debug)]
pub enum Finding {
    /// A durable event was judged.
    Event,
    /// A gap was announced that had not been announced before.
    Announced(Gap),
    /// What a gap was worth, known when its entry has come.
    Ruled(Gap, Ruling),
    /// The guarantee was broken.
    Breach(String),
}
