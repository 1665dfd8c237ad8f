//! Calls that are carried out on another thread: of the store, and of services outside.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_auth::{Answering, Ask, AskError, AskRequest};
use fanfare_log::{
    AppendRequest, Archive, ArchiveError, HeldTicket, NewestRead, NodeLife, OccupancyAnswer, OccupancyError,
    OccupancyStore, PublishError, PublishRequest, Published, Publisher, ReadRequest, Snapshot, TicketAnswer,
    TicketError, TicketStore, Tip,
};
use fanfare_protocol::{ChannelName, EntryId, LogName, TicketName};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What a caller hears when the thread has ended.
const STOPPING: &str = "the node is stopping";

/// An archive or a publisher whose calls run on one thread, whoever makes them: the connections are driven and the replies
/// parsed there, and neither the ingest nor a connection thread pays for a large one.
#[derive(Debug, Clone)]
pub(super) struct OnThread<T> {
    store: T,
    runtime: Handle,
}

impl<T: Clone> OnThread<T> {
    pub(super) fn new(store: T, runtime: &Handle) -> Self {
        Self { store, runtime: runtime.clone() }
    }

    /// Carries a call out. Dropping the future ends it. `None`: the thread has ended.
    async fn call<F>(&self, call: impl FnOnce(T) -> F) -> Option<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let mut call = Call(self.runtime.spawn(call(self.store.clone())));
        match (&mut call.0).await {
            Ok(answer) => Some(answer),
            // A call that panicked is a bug that must not pass for an answer.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    /// As [`Self::call`]; that the thread has ended is one of the call's errors.
    async fn answer<F, R, E: ThreadEnded>(&self, call: impl FnOnce(T) -> F) -> Result<R, E>
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Send + 'static,
    {
        self.call(call).await.unwrap_or_else(|| Err(E::thread_ended()))
    }
}

impl<T: Clone + Send + Sync + 'static> OnThread<T> {
    /// As [`Self::answer`], for interfaces whose futures are boxed.
    fn boxed_answer<F, R, E: ThreadEnded>(
        &self,
        call: impl FnOnce(T) -> F + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = Result<R, E>> + Send>>
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Send + 'static,
    {
        let this = self.clone();
        Box::pin(async move { this.answer(call).await })
    }
}

/// A call on its way: nobody wants its answer when this is dropped.
struct Call<R>(JoinHandle<R>);

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An error with which a call can end because the thread has.
trait ThreadEnded: Send + 'static {
    fn thread_ended() -> Self;
}

impl ThreadEnded for ArchiveError {
    fn thread_ended() -> Self {
        Self::Unavailable(STOPPING.into())
    }
}

impl ThreadEnded for PublishError {
    fn thread_ended() -> Self {
        Self::Unavailable(STOPPING.into())
    }
}

impl ThreadEnded for TicketError {
    fn thread_ended() -> Self {
        Self::Unavailable(STOPPING.into())
    }
}

impl ThreadEnded for OccupancyError {
    fn thread_ended() -> Self {
        Self::Unavailable(STOPPING.into())
    }
}

impl ThreadEnded for AskError {
    fn thread_ended() -> Self {
        Self::Failed(STOPPING.into())
    }
}

impl<A: Archive> Archive for OnThread<A> {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        self.answer(|archive| async move { archive.tips(logs).await }).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        self.answer(|archive| async move { archive.read(request).await }).await
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        self.answer(|archive| async move { archive.newest(log, count).await }).await
    }
}

impl<P: Publisher> Publisher for OnThread<P> {
    async fn publish(&self, request: PublishRequest) -> Result<Published, PublishError> {
        self.answer(|publisher| async move { publisher.publish(request).await }).await
    }

    async fn append(&self, request: AppendRequest) -> Result<EntryId, PublishError> {
        self.answer(|publisher| async move { publisher.append(request).await }).await
    }
}

impl TicketStore for OnThread<Arc<dyn TicketStore>> {
    fn now_ms(&self) -> TicketAnswer<u64> {
        self.boxed_answer(|tickets| tickets.now_ms())
    }

    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()> {
        self.boxed_answer(move |tickets| tickets.make(ticket, record, ttl))
    }

    fn find(&self, ticket: TicketName) -> TicketAnswer<HeldTicket> {
        self.boxed_answer(move |tickets| tickets.find(ticket))
    }

    fn use_first(&self, ticket: TicketName, record: Bytes, keep: Duration) -> TicketAnswer<Bytes> {
        self.boxed_answer(move |tickets| tickets.use_first(ticket, record, keep))
    }
}

impl OccupancyStore for OnThread<Arc<dyn OccupancyStore>> {
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()> {
        self.boxed_answer(move |store| store.begin(life, former))
    }

    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool> {
        self.boxed_answer(move |store| store.renew(life))
    }

    fn write(&self, life: NodeLife, readers: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        self.boxed_answer(move |store| store.write(life, readers))
    }

    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        self.boxed_answer(move |store| store.keep(channels))
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        self.boxed_answer(move |store| store.read(channels))
    }

    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()> {
        self.boxed_answer(move |store| store.end(life, channels))
    }
}

impl<A: Ask + Clone + 'static> Ask for OnThread<A> {
    fn ask(&self, request: AskRequest) -> Answering {
        self.boxed_answer(|asks| async move { asks.ask(request).await })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use tokio::sync::oneshot;

    use super::*;
    use crate::node::thread::{NodeThread, ThreadRuntime};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_call_runs_on_the_thread_whoever_makes_it_and_ends_with_its_caller() {
        let place = ThreadRuntime::new().unwrap();
        let remote = OnThread::new((), place.handle());
        let thread = NodeThread::start_for("fanfare-test", place, Arc::default(), pending()).unwrap();
        runtime().block_on(async {
            let name = remote.call(|()| async { std::thread::current().name().map(str::to_owned) }).await;
            assert_eq!(name.flatten().as_deref(), Some("fanfare-test"));
            let (held, dropped) = oneshot::channel::<()>();
            let call = remote.call(|()| async move {
                let _held = held;
                pending::<()>().await;
            });
            drop(tokio::time::timeout(std::time::Duration::from_millis(20), call).await);
            assert!(dropped.await.is_err(), "the call is dropped on its thread");
            drop(thread);
            assert_eq!(remote.call(|()| async {}).await, None, "and the thread's end is told");
        });
    }

    #[test]
    fn a_thread_that_ends_by_itself_is_noticed_and_one_that_panics_is_too() {
        for panics in [false, true] {
            let task = async move { assert!(!panics, "on purpose") };
            let place = ThreadRuntime::new().unwrap();
            let mut thread = NodeThread::start_for("fanfare-test", place, Arc::default(), task).unwrap();
            assert_eq!(runtime().block_on(thread.ended()), "fanfare-test");
        }
    }

    #[test]
    fn what_a_thread_runs_is_dropped_before_the_thread_is_joined() {
        let end = Arc::new(Mutex::new(()));
        let held = Arc::clone(&end);
        let task = async move {
            let _held = held;
            pending::<()>().await;
        };
        drop(NodeThread::start_for("fanfare-test", ThreadRuntime::new().unwrap(), Arc::default(), task).unwrap());
        assert_eq!(Arc::strong_count(&end), 1);
    }
}
