//! The addresses of the names of services.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_auth::AskError;
use fanfare_protocol::limits::{ASK_ADDRESSES_MAX, ASK_NAME_FRESH, ASK_NAME_STALE_MAX, ASK_NAME_WAIT, ASK_NAMES_MAX};
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// The addresses of a name, when they come.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks one name up. It may take as long as it likes.
pub type Resolve = dyn Fn(String) -> Resolving + Send + Sync;

/// What is known of names. One look-up of a name is under way at most, whoever waits for it: a name server that hangs costs one
/// thread per name, and the look-ups of one name never wait for those of another. Names come from the configuration, so that there are few.
pub(super) struct Names {
    resolve: Arc<Resolve>,
    names: Mutex<HashMap<Box<str>, watch::Sender<Known>>>,
    /// Each look-up is a task of its own, since it goes on when the question that began it has been given up.
    lookups: Mutex<JoinSet<()>>,
}

/// What is known of one name.
#[derive(Clone, Default)]
struct Known {
    addresses: Arc<[IpAddr]>,
    /// When these were found.
    found_at: Option<Instant>,
    /// When the look-up began that is under way.
    looking_since: Option<Instant>,
    /// Look-ups that came to an end.
    ended: u64,
    /// Why the last one found nothing.
    error: Option<Box<str>>,
}

impl Known {
    /// The addresses, if they were found at most so long ago.
    fn addresses(&self, now: Instant, age: std::time::Duration) -> Option<Arc<[IpAddr]>> {
        self.found_at.filter(|found_at| now.duration_since(*found_at) < age).map(|_| Arc::clone(&self.addresses))
    }
}

impl Names {
    /// Looks names up as the system does.
    pub(super) fn of_system() -> Self {
        Self::new(Arc::new(|host| {
            Box::pin(async move { Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
        }))
    }

    pub(super) fn new(resolve: Arc<Resolve>) -> Self {
        Self { resolve, names: Mutex::default(), lookups: Mutex::default() }
    }

    /// The addresses of a host. Those found a moment ago are taken as they are; older ones when a look-up fails, or takes long. It has no end
    /// of its own. Cancel-safe.
    pub(super) async fn addresses(&self, host: &str) -> Result<Arc<[IpAddr]>, AskError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([address].into());
        }
        let now = Instant::now();
        let mut name = self.name(host)?;
        let known = name.borrow().clone();
        if let Some(addresses) = known.addresses(now, ASK_NAME_FRESH) {
            return Ok(addresses);
        }
        let since = self.look(host, now);
        let ended = name.wait_for(|later| later.ended > known.ended);
        let Some(old) = known.addresses(now, ASK_NAME_STALE_MAX) else {
            // `self` holds the sender.
            let now_known = ended.await.map_err(|_| AskError::Failed("the node is stopping".into()))?;
            return found(&now_known);
        };
        match timeout_at(since + ASK_NAME_WAIT, ended).await {
            Ok(Ok(now_known)) => Ok(found(&now_known).unwrap_or(old)),
            _ => Ok(old),
        }
    }

    /// Begins a look-up if there is none, and says when the one began that is under way.
    fn look(&self, host: &str, now: Instant) -> Instant {
        let names = lock(&self.names);
        let Some(known) = names.get(host).cloned() else { return now };
        drop(names);
        let mut since = now;
        let begins = known.send_if_modified(|known| {
            let begins = known.looking_since.is_none();
            since = *known.looking_since.get_or_insert(now);
            begins
        });
        if begins {
            let resolving = (self.resolve)(host.to_owned());
            let mut lookups = lock(&self.lookups);
            while lookups.try_join_next().is_some() {}
            lookups.spawn(async move {
                let found = resolving.await;
                known.send_modify(|known| known.end(found));
            });
        }
        since
    }

    fn name(&self, host: &str) -> Result<watch::Receiver<Known>, AskError> {
        let mut names = lock(&self.names);
        if let Some(known) = names.get(host) {
            return Ok(known.subscribe());
        }
        if names.len() >= ASK_NAMES_MAX {
            return Err(AskError::Failed("too many services have names".into()));
        }
        Ok(names.entry(host.into()).or_default().subscribe())
    }
}

impl Known {
    /// A look-up came to an end.
    fn end(&mut self, found: io::Result<Vec<IpAddr>>) {
        self.ended += 1;
        self.looking_since = None;
        match found {
            Ok(mut addresses) if !addresses.is_empty() => {
                addresses.truncate(ASK_ADDRESSES_MAX);
                (self.addresses, self.found_at, self.error) = (addresses.into(), Some(Instant::now()), None);
            }
            Ok(_) => self.error = Some("its name has no address".into()),
            Err(error) => self.error = Some(format!("its name cannot be resolved: {error}").into()),
        }
    }
}

/// What the last look-up found.
fn found(known: &Known) -> Result<Arc<[IpAddr]>, AskError> {
    match &known.error {
        None => Ok(Arc::clone(&known.addresses)),
        Some(error) => Err(AskError::Failed((&**error).into())),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Resolves to this machine while `works`; else it hangs if the name says so, or fails. Counts what it is asked.
    #[derive(Default)]
    struct NameServer {
        is_down: std::sync::atomic::AtomicBool,
        asked: AtomicUsize,
    }

    fn names() -> (Arc<NameServer>, Arc<Names>) {
        let server = Arc::new(NameServer::default());
        let asked = Arc::clone(&server);
        let names = Names::new(Arc::new(move |host: String| {
            asked.asked.fetch_add(1, Ordering::Relaxed);
            let is_down = asked.is_down.load(Ordering::Relaxed);
            Box::pin(async move {
                match (is_down, host.starts_with("hang")) {
                    (false, _) => Ok(vec![HERE]),
                    (true, true) => std::future::pending().await,
                    (true, false) => Err(io::Error::other("SERVFAIL")),
                }
            })
        }));
        (server, Arc::new(names))
    }

    async fn is_found(names: &Names, host: &str) -> bool {
        names.addresses(host).await.is_ok_and(|addresses| *addresses == [HERE])
    }

    // Fails when each question has a look-up of its own, and when one name's wait for another's.
    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_hangs_is_asked_once_for_a_name_and_holds_no_other_name_up() {
        let (server, names) = names();
        server.is_down.store(true, Ordering::Relaxed);
        for _ in 0..1_000 {
            let asking = tokio::time::timeout(Duration::from_millis(10), names.addresses("hang.example"));
            assert!(asking.await.is_err());
        }
        assert_eq!(server.asked.load(Ordering::Relaxed), 1);
        server.is_down.store(false, Ordering::Relaxed);
        assert!(is_found(&names, "id.example").await);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_for_a_name_get_what_one_look_up_finds() {
        let (release, released) = oneshot::channel();
        let released = Mutex::new(Some(released));
        let names = Arc::new(Names::new(Arc::new(move |_| {
            let released: oneshot::Receiver<()> = lock(&released).take().unwrap();
            Box::pin(async move {
                released.await.unwrap();
                Ok(vec![HERE])
            })
        })));
        let mut all = JoinSet::new();
        for _ in 0..10 {
            let names = Arc::clone(&names);
            all.spawn(async move { is_found(&names, "id.example").await });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        release.send(()).unwrap();
        assert!(all.join_all().await.into_iter().all(|is_found| is_found));
    }

    // Fails when each question waits for a name server that hangs, although the addresses are known.
    #[tokio::test(start_paused = true)]
    async fn what_was_found_serves_while_the_name_server_is_down_but_not_for_ever() {
        for host in ["hang.example", "fail.example"] {
            let (server, names) = names();
            assert!(is_found(&names, host).await);
            server.is_down.store(true, Ordering::Relaxed);
            assert!(is_found(&names, host).await, "a moment ago");
            assert_eq!(server.asked.load(Ordering::Relaxed), 1);
            tokio::time::advance(ASK_NAME_FRESH).await;
            let start = Instant::now();
            for _ in 0..100 {
                assert!(is_found(&names, host).await);
            }
            assert!(start.elapsed() <= ASK_NAME_WAIT, "{:?}", start.elapsed());
            tokio::time::advance(ASK_NAME_STALE_MAX).await;
            let late = tokio::time::timeout(Duration::from_secs(1), names.addresses(host)).await;
            assert!(!late.is_ok_and(|found| found.is_ok()), "{host}");
        }
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up_and_names_are_few() {
        let (server, names) = names();
        assert!(is_found(&names, "127.0.0.1").await);
        assert_eq!(*names.addresses("::1").await.unwrap(), [IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)]);
        assert_eq!(server.asked.load(Ordering::Relaxed), 0);
        for number in 0..ASK_NAMES_MAX {
            assert!(is_found(&names, &format!("{number}.example")).await);
        }
        assert!(names.addresses("one.more.example").await.is_err());
        assert!(is_found(&names, "0.example").await);
    }
}
