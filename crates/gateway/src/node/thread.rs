//! A thread of a node, with a runtime of its own.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use fanfare_log::stats::Cell;
use fanfare_protocol::limits::TURN_AT_LEAST;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

/// Resolves when the thread is to end.
pub(super) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The runtime of a thread. Dropping it waits for nothing: its blocking pool may be in a look-up of a name that takes minutes, and
/// when the node does not start it is dropped within the caller's runtime, where waiting would panic.
pub(super) struct ThreadRuntime(Option<Runtime>);

impl ThreadRuntime {
    pub(super) fn new() -> std::io::Result<Self> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    /// Has at most this number of threads to look names up.
    pub(super) fn with_lookups(most: usize) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(most).build();
        runtime.map(|runtime| Self(Some(runtime)))
    }

    /// For those who have work for the thread. What they give it before it runs waits.
    pub(super) fn handle(&self) -> &Handle {
        self.runtime().handle()
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("only dropping takes the runtime")
    }
}

impl Drop for ThreadRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running thread. Dropping it asks the thread to end and waits for that.
pub(super) struct NodeThread {
    name: &'static str,
    /// Dropping it asks the thread to end.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
    /// Resolves when the thread has ended.
    ended: Option<oneshot::Receiver<Infallible>>,
}

impl NodeThread {
    /// Starts a thread that runs `run` until it ends; it should when its [`Stop`] resolves.
    pub(super) fn start<F>(
        name: &'static str,
        runtime: ThreadRuntime,
        run: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let body = move || {
            // Dropped when the thread ends, however it ends.
            let _end = end;
            // Dropped before that, with all tasks.
            let runtime = runtime;
            runtime.runtime().block_on(run(Box::pin(async { drop(stopped.await) })));
        };
        let thread =
            std::thread::Builder::new().name(name.into()).spawn(body).with_context(|| format!("thread {name}"))?;
        Ok(Self { name, stop: Some(stop), thread: Some(thread), ended: Some(ended) })
    }

    /// Starts a thread for a task that ends only when it is dropped. `turns` counts on as long as the thread gets round to its tasks.
    pub(super) fn start_for(
        name: &'static str,
        runtime: ThreadRuntime,
        turns: Arc<Cell>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        Self::start_with_farewell(name, runtime, turns, task, |stop| stop)
    }

    /// The same where something is to be done before the task is dropped: the thread ends when that is done. `farewell` makes it of the
    /// [`Stop`], beside which the task goes on.
    pub(super) fn start_with_farewell<F>(
        name: &'static str,
        runtime: ThreadRuntime,
        turns: Arc<Cell>,
        task: impl Future<Output = ()> + Send + 'static,
        farewell: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = ()>,
    {
        Self::start(name, runtime, |stop| async move {
            tokio::select! {
                () = farewell(stop) => {}
                () = task => {}
                () = count_turns(&turns) => {}
            }
        })
    }

    /// Waits until the thread has ended by itself; tells that once. Cancel-safe.
    pub(super) async fn ended(&mut self) -> &'static str {
        match &mut self.ended {
            Some(ended) => drop(ended.await),
            None => pending().await,
        }
        self.ended = None;
        self.name
    }
}

async fn count_turns(turns: &Cell) {
    loop {
        turns.add(1);
        tokio::time::sleep(TURN_AT_LEAST).await;
    }
}

impl Drop for NodeThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(thread = self.name, "a thread of the node panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    // Seen to wait for the blocking task where the runtime is just dropped.
    #[test]
    fn a_name_that_is_being_looked_up_holds_no_thread_back() {
        let (began, begun) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let task = async move {
            let look_up = tokio::task::spawn_blocking(move || {
                began.send(()).unwrap();
                let _ = released.recv_timeout(Duration::from_secs(5));
            });
            drop(look_up.await);
        };
        let thread = NodeThread::start_for("test", ThreadRuntime::new().unwrap(), Arc::default(), task).unwrap();
        begun.recv().unwrap();
        let start = Instant::now();
        drop(thread);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        drop(release);
    }
}
