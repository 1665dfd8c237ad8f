//! Servers that can be started and measured. One file for each.

mod address;
mod certificate;
mod contract;
mod fanfare;
mod floor;
pub mod peers;
mod place;
mod probe;
mod redis;
mod running;
mod unable;
mod version;
mod wait;
mod wire;

pub use contract::Contender;
pub use fanfare::Fanfare;
pub use floor::Floor;
pub use place::Place;
pub use running::Running;
pub use unable::Unable;
pub use wire::Wire;
