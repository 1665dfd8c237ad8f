//! The feed of the floor server: frames over one TCP connection, without answers.
//!
//! A frame is the length of its data (u32, big-endian), the channel's index (u32, big-endian) and the data.
