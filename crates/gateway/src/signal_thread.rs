//! The thread that waits for signals and sees to it that the process ends.
//!
//! It depends on no other thread: the drain begins, and the process is over by its deadline, whatever the threads that
//! serve clients, operators or the store are stuck in.

use std::cell::Cell;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use fanfare_protocol::limits::END_TIMEOUT;
use fanfare_server::Drainer;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::config::Drain;
use crate::logging::LogPipe;
use crate::signals::{Ask, Signals};

/// What a shell makes of a process that a signal ended.
const EXIT_SIGNAL: u8 = 128;
/// The exit code of a process whose threads did not end.
const EXIT_STUCK: u8 = 1;

/// What the main thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Read the configuration again.
    Reload,
    /// End at once, with this code.
    End(u8),
}

/// What the thread needs to end a node.
#[derive(Debug)]
struct Ending {
    server: Drainer,
    drain: Drain,
}

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub struct SignalThread {
    orders: mpsc::Receiver<Order>,
    node: Option<oneshot::Sender<Ending>>,
    shutting_down: Option<oneshot::Sender<()>>,
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SignalThread {
    /// Starts the thread. From here on no signal ends the process by itself.
    ///
    /// # Errors
    /// When the operating system refuses the thread or a handler.
    pub fn start(log: LogPipe) -> anyhow::Result<Self> {
        let (order, orders) = mpsc::channel(4);
        let (node, has_node) = oneshot::channel();
        let (shutting_down, shuts_down) = oneshot::channel();
        let (over, is_over) = oneshot::channel();
        let (installed, is_installed) = sync_channel(1);
        let watch = Watch { order, has_node, shuts_down, log, code: Cell::new(EXIT_STUCK) };
        let body = move || watch.run(is_over, &installed);
        let thread = std::thread::Builder::new().name("fanfare-signals".into()).spawn(body)?;
        let thread = Self {
            orders,
            node: Some(node),
            shutting_down: Some(shutting_down),
            over: Some(over),
            thread: Some(thread),
        };
        is_installed.recv().context("the signal thread ended")?.context("signal handlers")?;
        Ok(thread)
    }

    /// From here on a signal drains this server. One that has come before does so now.
    pub fn watch_over(&mut self, server: Drainer, drain: Drain) {
        if let Some(node) = self.node.take() {
            // The thread ends before this handle only by ending the process.
            let _ = node.send(Ending { server, drain });
        }
    }

    /// What the main thread is to do next. Cancel-safe.
    pub async fn next(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // The thread is ending the process.
            None => std::future::pending().await,
        }
    }

    /// Everything is being told to end: what has not ended after [`END_TIMEOUT`] is not waited for.
    pub fn shutting_down(&mut self) {
        if let Some(shutting_down) = self.shutting_down.take() {
            let _ = shutting_down.send(());
        }
    }
}

impl Drop for SignalThread {
    fn drop(&mut self) {
        drop(self.over.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the signal thread panicked");
        }
    }
}

/// The thread's own part.
struct Watch {
    order: mpsc::Sender<Order>,
    has_node: oneshot::Receiver<Ending>,
    shuts_down: oneshot::Receiver<()>,
    log: LogPipe,
    /// With which the process ends if it has to be ended from here.
    code: Cell<u8>,
}

impl Watch {
    fn run(mut self, over: oneshot::Receiver<()>, installed: &SyncSender<std::io::Result<()>>) {
        let log = self.log.clone();
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(installed.send(Err(error))),
        };
        let code = runtime.block_on(async {
            let mut signals = match Signals::new() {
                Ok(signals) => signals,
                Err(error) => {
                    drop(installed.send(Err(error)));
                    return None;
                }
            };
            drop(installed.send(Ok(())));
            tokio::select! {
                biased;
                _ = over => None,
                code = self.until_time_is_up(&mut signals) => Some(code),
            }
        });
        if let Some(code) = code {
            end_process(&log, code);
        }
    }

    /// Resolves, with the code of the process, when the process should have ended and has not.
    async fn until_time_is_up(&mut self, signals: &mut Signals) -> u8 {
        let Self { order, has_node, shuts_down, code, .. } = self;
        let shut_down = async {
            if shuts_down.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = shut_down => {}
            () = end_by_signals(order, has_node, code, signals) => {}
        }
        sleep(END_TIMEOUT).await;
        code.get()
    }
}

/// Resolves when the time of a drain is up, or when a second signal has come.
async fn end_by_signals(
    order: &mpsc::Sender<Order>,
    node: &mut oneshot::Receiver<Ending>,
    code: &Cell<u8>,
    signals: &mut Signals,
) {
    next_end(order, signals).await;
    // A signal may come while the node starts; without a node there is nothing to drain.
    let Ok(Ending { server, drain }) = node.await else { return std::future::pending().await };
    info!(window = %drain.window, deadline = %drain.deadline, "draining; a second signal ends at once");
    server.drain();
    tokio::select! {
        () = sleep(drain.deadline.0) => {}
        number = next_end(order, signals) => {
            warn!("a second signal: ending at once");
            code.set(EXIT_SIGNAL + number);
            // Where the main thread is stuck, this thread does it a moment later.
            let _ = order.try_send(Order::End(code.get()));
        }
    }
}

/// The number of the next signal that asks for the end. Others are handed on.
async fn next_end(order: &mpsc::Sender<Order>, signals: &mut Signals) -> u8 {
    loop {
        match signals.next().await {
            Ask::End { number } => return number,
            // Several at once are one.
            Ask::Reload => drop(order.try_send(Order::Reload)),
            Ask::Nothing { name } => warn!(signal = name, "ignored a signal that means nothing to a node"),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "threads that are stuck cannot be waited for, and nothing else is left to do"
)]
fn end_process(log: &LogPipe, code: u8) -> ! {
    error!("some threads have not ended in time; the process ends without them");
    log.flush();
    std::process::exit(i32::from(code))
}
