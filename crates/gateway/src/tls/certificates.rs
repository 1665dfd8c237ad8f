//! The certificates of all listeners, kept up with their files.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_protocol::limits::{CERTIFICATE_LOOK_INTERVAL, CERTIFICATE_WARNING_INTERVAL};
use fanfare_server::Clock;
use fanfare_tls::{Identity, Validity};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::file_state::FileState;
use super::listener_files::{ListenerFiles, Loaded};
use super::status::{Shown, TlsStatus};
use super::validity::{complaint, date};
use crate::config::Config;

/// Why files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is time again: what has not changed is left alone.
    Time,
    /// Somebody asked (SIGHUP): everything is read again, and the log says what is shown.
    Asked,
}

/// Replaces what listeners show when their files change.
///
/// A listener's files are read together, and replace what it shows only if all of them fit. If they do not, what it shows stays, the log says so once, and
/// every look tries again: a key may come a moment after its certificate.
#[derive(Debug)]
pub struct Certificates {
    /// One for each listener of the node, in their order. `None`: a plain one.
    listeners: Vec<Option<Listener>>,
    status: Arc<TlsStatus>,
}

#[derive(Debug)]
struct Listener {
    files: ListenerFiles,
    identity: Arc<Identity>,
    /// The files that were read last, as they were before that: what changed in the meantime is seen at the next look.
    states: Vec<FileState>,
    shown: Shown,
    /// Of certificates that are not valid: what was said of each file, and when, in Unix seconds.
    told: HashMap<String, (Validity, u64)>,
}

impl Certificates {
    /// Reads the files of all listeners. `now` is in Unix seconds. `None`: none has any.
    ///
    /// # Errors
    /// A listener whose files cannot be shown.
    pub fn load(config: &Config, now: u64) -> anyhow::Result<Option<Self>> {
        let mut listeners = Vec::new();
        for rule in config.listeners() {
            let files = ListenerFiles::of(config, &rule)?;
            listeners.push(files.map(|files| Listener::new(files, now)).transpose()?);
        }
        if listeners.iter().all(Option::is_none) {
            return Ok(None);
        }
        let certificates = Self { listeners, status: Arc::default() };
        certificates.publish();
        Ok(Some(certificates))
    }

    /// What each listener shows, in the order of the configuration. `None`: nothing, it is a plain one.
    #[must_use]
    pub fn identities(&self) -> Vec<Option<Arc<Identity>>> {
        let identity = |listener: &Listener| Arc::clone(&listener.identity);
        self.listeners.iter().map(|listener| listener.as_ref().map(identity)).collect()
    }

    /// What operators see of it.
    #[must_use]
    pub fn status(&self) -> &Arc<TlsStatus> {
        &self.status
    }

    /// Looks at the files every few seconds, and when it is asked to. Ends when it is dropped.
    pub(crate) async fn run(mut self, asked: Arc<Notify>) {
        loop {
            let why = tokio::select! {
                () = asked.notified() => Why::Asked,
                () = tokio::time::sleep(CERTIFICATE_LOOK_INTERVAL) => Why::Time,
            };
            self.look(why, Clock::system().wall_ms() / 1_000);
        }
    }

    /// Looks at the files once. `now` is in Unix seconds.
    pub fn look(&mut self, why: Why, now: u64) {
        for listener in self.listeners.iter_mut().flatten() {
            listener.look(why, now, &self.status);
        }
        self.publish();
    }

    fn publish(&self) {
        self.status.set(self.listeners.iter().flatten().map(|listener| listener.shown.clone()).collect());
    }
}

impl Listener {
    fn new(files: ListenerFiles, now: u64) -> anyhow::Result<Self> {
        let states = files.states();
        let named = |error: anyhow::Error| error.context(format!("the listener {}", files.listener()));
        let Loaded { config, certificates } = files.load().map_err(named)?;
        for complaint in files.complaints() {
            warn!("{complaint}");
        }
        let shown = Shown { listener: files.listener().to_owned(), certificates, since: now, failure: None };
        let identity = Arc::new(Identity::new(config));
        let mut listener = Self { files, identity, states, shown, told: HashMap::new() };
        listener.tell_what_is_shown("the listener shows");
        listener.warn_of_times(now);
        Ok(listener)
    }

    fn look(&mut self, why: Why, now: u64, status: &TlsStatus) {
        let states = self.files.states();
        if why == Why::Asked || states != self.states || self.shown.failure.is_some() {
            self.states = states;
            match self.files.load() {
                Ok(loaded) => {
                    status.replaced.add(1);
                    self.show(loaded, now);
                }
                Err(error) => {
                    status.failed.add(1);
                    self.keep(&format!("{error:#}"), why);
                }
            }
        }
        self.warn_of_times(now);
    }

    fn show(&mut self, Loaded { config, certificates }: Loaded, now: u64) {
        self.identity.replace(config);
        let listener = std::mem::take(&mut self.shown.listener);
        self.shown = Shown { listener, certificates, since: now, failure: None };
        self.told.clear();
        self.tell_what_is_shown("read the files of certificates again: the listener shows");
        for complaint in self.files.complaints() {
            warn!("{complaint}");
        }
    }

    fn keep(&mut self, error: &str, why: Why) {
        if why == Why::Asked || self.shown.failure.as_deref() != Some(error) {
            warn!(
                listener = self.shown.listener,
                error, "the files of certificates cannot be used: the listener goes on showing what it showed"
            );
        }
        self.shown.failure = Some(error.to_owned());
    }

    fn tell_what_is_shown(&self, what: &str) {
        for (certificate, facts) in &self.shown.certificates {
            let (names, until) = (facts.names.join(" "), date(facts.ends));
            info!(listener = self.shown.listener, certificate, names, until, "{what}");
        }
    }

    /// Says that a certificate is not valid: when that begins, and once a day.
    fn warn_of_times(&mut self, now: u64) {
        let interval = CERTIFICATE_WARNING_INTERVAL.as_secs();
        let Self { shown: Shown { listener, certificates, .. }, told, .. } = self;
        for (path, facts) in certificates {
            let Some(complaint) = complaint(path, facts, now) else { continue };
            let validity = facts.validity(now);
            let is_told = |(before, at): &(Validity, u64)| *before == validity && now.abs_diff(*at) < interval;
            if !told.get(path).is_some_and(is_told) {
                told.insert(path.clone(), (validity, now));
                warn!(listener = *listener, "{complaint}");
            }
        }
    }
}
