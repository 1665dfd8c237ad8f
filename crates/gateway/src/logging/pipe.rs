//! The lines on their way to standard error.
//!
//! Whoever reads standard error may stop: a collector that hangs, a terminal on which somebody has selected text. A write
//! then blocks, and with it whatever logs. So logging only puts lines into a bounded queue; one thread writes, and nothing
//! waits for it. What does not fit is dropped and counted, and once the pipe moves again one line says how many.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::{LOG_FLUSH_TIMEOUT, LOG_QUEUE_BYTES_MAX, LOG_QUEUE_LINES_MAX};
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Pause before another attempt where standard error was made non-blocking by whoever started the process, and is full.
const WRITE_PAUSE: Duration = Duration::from_millis(10);

/// The queue; cloning shares it. The default one has no writer: it takes lines until it is full.
#[derive(Clone, Debug, Default)]
pub struct LogPipe(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held for moments only, never while anything is written.
    queue: Mutex<Queue>,
    /// There is something to write, or dropped lines to tell of.
    pending: Condvar,
    /// Everything is written.
    empty: Condvar,
    /// Lines dropped since start.
    dropped: AtomicU64,
}

/// What waits, and what did not fit.
#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Box<[u8]>>,
    /// Bytes of `lines` and of the line that is being written.
    bytes: usize,
    /// A line has been taken and is not written yet.
    writing: bool,
    /// Lines dropped that nobody has been told of. While there are any, every line is dropped, until half of the queue is
    /// free: where the reader is only slow, one line in half a queue tells of drops, and not every second one.
    untold: u64,
}

impl Queue {
    /// Whether the line was taken.
    fn offer(&mut self, line: &[u8]) -> bool {
        let fits = self.lines.len() < LOG_QUEUE_LINES_MAX && self.bytes + line.len() <= LOG_QUEUE_BYTES_MAX;
        let takes = fits && self.untold == 0;
        if takes {
            self.bytes += line.len();
            self.lines.push_back(line.into());
        } else {
            self.untold += 1;
        }
        takes
    }

    fn take(&mut self) -> Option<Box<[u8]>> {
        let line = self.lines.pop_front();
        self.writing = line.is_some();
        line
    }

    fn written(&mut self, bytes: usize) {
        self.writing = false;
        self.bytes -= bytes;
    }

    /// The number of dropped lines, once half of the queue is free.
    fn take_untold(&mut self) -> Option<u64> {
        let half_free = self.lines.len() <= LOG_QUEUE_LINES_MAX / 2 && self.bytes <= LOG_QUEUE_BYTES_MAX / 2;
        (self.untold > 0 && half_free).then(|| std::mem::take(&mut self.untold))
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && !self.writing && self.untold == 0
    }
}

impl LogPipe {
    /// A pipe to standard error, with its writer. The thread is not waited for, since it may be blocked for ever; it ends
    /// with the process.
    ///
    /// # Errors
    /// Standard error cannot be duplicated, or the thread cannot be started.
    pub(super) fn to_standard_error() -> io::Result<Self> {
        // A descriptor of its own: the standard library's handle is locked during a write, and whoever else used it would wait.
        let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        Self::to(out, |lines| warn!(lines, "log lines were dropped: whatever reads standard error did not"))
    }

    fn to(out: impl Write + Send + 'static, tell: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let pipe = Self::default();
        let writer = pipe.clone();
        std::thread::Builder::new().name("fanfare-log".into()).spawn(move || writer.write_for_ever(out, tell))?;
        Ok(pipe)
    }

    /// Puts one line into the queue, as it is; never waits.
    pub fn say(&self, line: &[u8]) {
        let taken = self.queue().offer(line);
        if !taken {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.0.pending.notify_one();
    }

    /// Lines dropped since start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, for [`LOG_FLUSH_TIMEOUT`] at most.
    pub fn flush(&self) {
        let waiting = self.0.empty.wait_timeout_while(self.queue(), LOG_FLUSH_TIMEOUT, |queue| !queue.is_idle());
        drop(waiting);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, mut out: impl Write, tell: impl Fn(u64)) {
        loop {
            let waiting = self.0.pending.wait_while(self.queue(), |queue| queue.is_idle());
            let line = waiting.unwrap_or_else(PoisonError::into_inner).take();
            if line.as_ref().is_some_and(|line| !write_whole(&mut out, line)) {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let mut queue = self.queue();
            queue.written(line.map_or(0, |line| line.len()));
            let dropped = queue.take_untold();
            if queue.is_idle() && dropped.is_none() {
                self.0.empty.notify_all();
            }
            drop(queue);
            // Goes through this queue as every line does, which has room now.
            dropped.into_iter().for_each(&tell);
        }
    }
}

/// Writes a line. `false`: it cannot be written, or not as a whole: nobody reads any more, or the disk is full.
fn write_whole(out: &mut impl Write, mut line: &[u8]) -> bool {
    while !line.is_empty() {
        match out.write(line) {
            Ok(written) if written > 0 => line = &line[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::park_timeout(WRITE_PAUSE),
            // This is where errors are told, so it can only be counted.
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

/// One call is one line: the subscriber writes each event as a whole.
impl Write for &LogPipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogPipe {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    const LINE: &[u8] = &[b'x'; 1_024];

    /// A pipe in the operating system, and the counts of dropped lines that were told.
    fn pipe() -> (io::PipeReader, LogPipe, Receiver<u64>) {
        let (reader, writer) = io::pipe().unwrap();
        let (tell, told) = sync_channel(16);
        let pipe = LogPipe::to(writer, move |lines| tell.send(lines).unwrap()).unwrap();
        (reader, pipe, told)
    }

    // Seen to hang when lines are written by whoever says them.
    #[test]
    fn whoever_logs_never_waits_for_whoever_reads_and_what_was_dropped_is_told_once_the_pipe_moves() {
        let (mut reader, pipe, told) = pipe();
        let said = 4 * u64::try_from(LOG_QUEUE_BYTES_MAX / LINE.len()).unwrap();
        (0..said).for_each(|_| pipe.say(LINE));
        let dropped = pipe.dropped();
        assert!(dropped >= said / 2 && dropped < said, "{dropped} of {said}");
        pipe.flush();
        assert!(told.try_recv().is_err(), "nothing has moved yet");
        let mut taken = vec![0; usize::try_from(said - dropped).unwrap() * LINE.len()];
        reader.read_exact(&mut taken).unwrap();
        assert_eq!(told.recv().unwrap(), dropped);
        pipe.say(b"again\n");
        reader.read_exact(&mut taken[..6]).unwrap();
        assert_eq!((&taken[..6], pipe.dropped()), (&b"again\n"[..], dropped));
    }

    #[test]
    fn a_flush_returns_once_everything_is_written_and_in_any_case_in_time() {
        let (mut reader, pipe, _told) = pipe();
        pipe.say(b"one\n");
        pipe.flush();
        let mut seen = [0; 4];
        reader.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"one\n");
        (0..LOG_QUEUE_LINES_MAX).for_each(|_| pipe.say(LINE));
        let start = tokio::time::Instant::now();
        pipe.flush();
        let waited = start.elapsed();
        assert!(waited >= LOG_FLUSH_TIMEOUT && waited < 3 * LOG_FLUSH_TIMEOUT, "{waited:?}");
    }

    #[test]
    fn after_a_drop_lines_are_taken_again_when_half_of_the_queue_is_free() {
        let mut queue = Queue::default();
        while queue.offer(LINE) {}
        let full = queue.lines.len();
        let write_one = |queue: &mut Queue| {
            let line = queue.take().unwrap();
            queue.written(line.len());
            queue.take_untold()
        };
        assert_eq!(write_one(&mut queue), None);
        assert!(!queue.offer(LINE), "room for one is no reason to begin again");
        let told: Vec<_> = (0..full / 2).filter_map(|_| write_one(&mut queue)).collect();
        assert_eq!(told, [2]);
        assert!(queue.offer(LINE));
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted() {
        let (reader, pipe, _told) = pipe();
        drop(reader);
        pipe.say(LINE);
        pipe.flush();
        assert_eq!(pipe.dropped(), 1);
    }

    #[test]
    fn a_line_larger_than_the_queue_is_dropped_and_told() {
        let (_reader, pipe, told) = pipe();
        pipe.say(&vec![b'x'; LOG_QUEUE_BYTES_MAX + 1]);
        assert_eq!((told.recv().unwrap(), pipe.dropped()), (1, 1));
    }
}
