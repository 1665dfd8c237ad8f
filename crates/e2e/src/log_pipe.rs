//! A pipe for what a process logs, whose collector can be told to leave it alone.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::wait::pace;

/// `O_NONBLOCK` of open(2) on Linux, on every architecture that the tests run on.
const O_NONBLOCK: i32 = 0o4000;
/// What a pipe is filled with; no log holds it, and the collector drops it.
const FILLING: u8 = 0;
/// Pause between two looks into the pipe.
const PAUSE: Duration = Duration::from_millis(10);

/// A pipe that a thread empties into a file, or leaves alone until it is full.
#[derive(Debug)]
pub(crate) struct LogPipe {
    /// For the processes that log.
    writer: PipeWriter,
    /// The same end for this process, which never waits.
    filler: File,
    state: Arc<State>,
    collector: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    ends: AtomicBool,
    /// Whether the collector leaves the pipe alone. Held locked while it reads.
    is_left: Mutex<bool>,
}

impl LogPipe {
    /// A pipe that is emptied into the file at `path`, behind what that has.
    pub(crate) fn into(path: &Path) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let mut options = OpenOptions::new();
        let read_end = unblocked(options.read(true), reader.as_raw_fd())?;
        let filler = unblocked(OpenOptions::new().write(true), writer.as_raw_fd())?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let collector = std::thread::spawn(move || collect(read_end, file, &shared));
        Ok(Self { writer, filler, state, collector: Some(collector) })
    }

    /// The end to write to, for a process.
    pub(crate) fn writer(&self) -> io::Result<Stdio> {
        self.writer.try_clone().map(Stdio::from)
    }

    /// From now on nobody reads, and the pipe is full.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        *self.state.is_left.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // Whole pages first, then what is left of the last one.
        for size in [4096, 1] {
            loop {
                match self.filler.write(&[FILLING; 4096][..size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// The pipe is emptied again.
    pub(crate) fn read(&self) {
        *self.state.is_left.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl Drop for LogPipe {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        if let Some(collector) = self.collector.take() {
            let _ = collector.join();
        }
    }
}

/// One end of a pipe again, as a description of its own that does not wait (proc(5), `/proc/self/fd`).
fn unblocked(options: &mut OpenOptions, end: RawFd) -> io::Result<File> {
    options.custom_flags(O_NONBLOCK).open(format!("/proc/self/fd/{end}"))
}

fn collect(mut reader: File, mut file: File, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    while !state.ends.load(Ordering::Relaxed) {
        let is_left = state.is_left.lock().unwrap_or_else(PoisonError::into_inner);
        let count = if *is_left { 0 } else { reader.read(&mut buffer).unwrap_or(0) };
        drop(is_left);
        if count == 0 {
            pace(PAUSE);
            continue;
        }
        let text: Vec<u8> = buffer[..count].iter().copied().filter(|byte| *byte != FILLING).collect();
        // A file that cannot be written loses the log, which nobody judges.
        let _ = file.write_all(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;

    // Seen to fail when the pipe is not filled: a node would have to log 64 KiB before anything happens.
    #[test]
    fn whoever_logs_into_a_pipe_that_is_left_waits_until_it_is_read_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("log");
        let mut pipe = LogPipe::into(&path).expect("a pipe");
        let mut writer = pipe.writer.try_clone().expect("a second handle");
        writer.write_all(b"first\n").expect("a pipe with room");
        let log = || std::fs::read_to_string(&path).expect("a file");
        eventually("the first line", || (log() == "first\n").then_some(()));
        pipe.leave().expect("a pipe that can be filled");
        let waiting = std::thread::spawn(move || writer.write_all(b"second\n"));
        pace(Duration::from_millis(100));
        assert!(!waiting.is_finished() && log() == "first\n");
        pipe.read();
        waiting.join().expect("no panic").expect("a pipe with room again");
        eventually("the second line", || (log() == "first\nsecond\n").then_some(()));
    }
}
