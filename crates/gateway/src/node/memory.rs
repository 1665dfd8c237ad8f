//! A store in this process, for `fanfare dev` and tests.

use fanfare_log::memory::MemoryBackend;

use super::Store;

/// A node's view of an in-process backend; several nodes share one backend.
#[must_use]
pub fn memory(backend: &MemoryBackend) -> Store<MemoryBackend, MemoryBackend> {
    let feed = backend.clone();
    Store {
        archive: backend.clone(),
        publisher: backend.clone(),
        feed: Box::new(move |desired, sink| Box::pin(feed.attach(desired, sink).run())),
        name: "in this process".into(),
        trouble: Box::new(|| None),
    }
}
