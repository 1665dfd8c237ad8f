//! The server that does nothing but write.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A floor server that ends with the test.
pub(crate) struct Floor {
    pub(crate) child: Child,
    pub(crate) target: SocketAddr,
    pub(crate) feed: SocketAddr,
}

impl Floor {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// One with options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanload"));
        let mut child = command.arg("floor").args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (target, feed) = fanload::floor::ready_addresses(&line).expect("the floor says where it listens");
        Self { child, target, feed }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
