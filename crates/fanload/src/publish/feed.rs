//! The feed of the floor server: frames over one TCP connection, without answers.
//!
//! A frame is the length of its data (u32, big-endian), the channel's index (u32, big-endian) and the data.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::socket::Socket;
use crate::stage::Stage;

/// Bytes that are gathered before they are sent.
const GATHER: usize = 64 * 1024;

/// Bytes of a frame before its data.
pub const FRAME_HEAD: usize = 8;

/// A connection to a floor server.
#[derive(Debug)]
pub(super) struct Feed {
    socket: Socket,
    out: Vec<u8>,
}

impl Feed {
    pub(super) fn connect(address: SocketAddr, stage: &Stage) -> Result<Self> {
        let socket = Socket::connect(address, stage);
        let socket = socket.with_context(|| format!("the feed at {address} cannot be reached"))?;
        Ok(Self { socket, out: Vec::new() })
    }

    pub(super) fn publish(&mut self, channel: u32, data: &[u8]) -> Result<()> {
        let length = u32::try_from(data.len()).context("an event is larger than 4 GiB")?;
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(&channel.to_be_bytes());
        self.out.extend_from_slice(data);
        if self.out.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.out).context("the feed does not take events any more")?;
        self.out.clear();
        Ok(())
    }
}
