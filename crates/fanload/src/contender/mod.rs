//! Servers that can be started and measured. One file for each.

mod address;
mod contract;
mod fanfare;
mod floor;
pub mod peers;
mod place;
mod redis;
mod running;
mod version;
mod wait;

pub use contract::Contender;
pub use fanfare::Fanfare;
pub use floor::Floor;
pub use place::Place;
pub use running::Running;
