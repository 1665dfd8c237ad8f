//! What the request handlers need of the store, without its type: the two traits of `fanfare_log` behind `dyn`.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use fanfare_log::{Archive, ArchiveError, PublishError, PublishRequest, Published, Publisher, ReadRequest, Snapshot};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

trait DynArchive: Send + Sync {
    fn read(&self, request: ReadRequest) -> Boxed<Result<Snapshot, ArchiveError>>;
}

trait DynPublisher: Send + Sync {
    fn publish(&self, request: PublishRequest) -> Boxed<Result<Published, PublishError>>;
}

impl<A: Archive> DynArchive for A {
    fn read(&self, request: ReadRequest) -> Boxed<Result<Snapshot, ArchiveError>> {
        let archive = self.clone();
        Box::pin(async move { Archive::read(&archive, request).await })
    }
}

impl<P: Publisher> DynPublisher for P {
    fn publish(&self, request: PublishRequest) -> Boxed<Result<Published, PublishError>> {
        let publisher = self.clone();
        Box::pin(async move { Publisher::publish(&publisher, request).await })
    }
}

/// Handles to the store for the history and publish endpoints. Streams do not use them: they read the logs, and the archive of
/// history has connections of its own where that makes a difference.
#[derive(Clone)]
pub struct StoreHandles {
    archive: Arc<dyn DynArchive>,
    publisher: Arc<dyn DynPublisher>,
}

impl StoreHandles {
    /// From any two handles.
    #[must_use]
    pub fn new(archive: impl Archive, publisher: impl Publisher) -> Self {
        Self { archive: Arc::new(archive), publisher: Arc::new(publisher) }
    }

    pub(crate) async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        self.archive.read(request).await
    }

    pub(crate) async fn publish(&self, request: PublishRequest) -> Result<Published, PublishError> {
        self.publisher.publish(request).await
    }
}

impl fmt::Debug for StoreHandles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHandles").finish_non_exhaustive()
    }
}
