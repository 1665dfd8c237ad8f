//! What people and machines get to see.

mod screen;
mod table;

pub use screen::Screen;
pub use table::table;
