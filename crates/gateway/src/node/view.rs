//! What operators see of a node: its figures, its health, its identity.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Forward, ForwardFailure, Right};
use fanfare_log::stats::{Cell, Durations, GapCells, Waiting};
use fanfare_log::{BrokenBy, IngestStats, MinLives, Occupancy};
use fanfare_protocol::GapReason;
use fanfare_server::{
    AcceptorStats, Admission, CoreStats, Denied, End, Flood, Http2Stats, HttpStats, KnownRevocations, Ranking, Reason,
    RevocationStats, RevocationsUnknown, Server, TicketUse,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::archive_probe::ArchiveProbe;
use super::histograms;
use super::key_sets::KeySets;
use super::listed_occupancy::ListedOccupancy;
use super::store::StoreReport;
use super::thread_watch::ThreadWatch;
use super::timed_publisher::PublishStats;
use crate::admin::{Facts, Health, ListedChannel, Proof, Subject};
use crate::config::Config;
use crate::metrics::table as m;
use crate::metrics::{Metric, Samples, Source};
use crate::process::Process;
use crate::revocation_writer::{RevocationWriter, RevokeStats};
use crate::tls::TlsStatus;

/// The counters of a node's threads, summed up when somebody asks.
pub struct NodeView {
    began: Instant,
    ready_probe_age: Duration,
    stuck_after: Duration,
    tail_budget: u64,
    identity: Value,
    admission: Arc<Admission>,
    http: Arc<Vec<HttpStats>>,
    acceptor: Arc<AcceptorStats>,
    ranking: Arc<Ranking>,
    /// Where clients connect.
    listeners: Vec<String>,
    threads: ThreadWatch,
    store: Arc<dyn Fn() -> StoreReport + Send + Sync>,
    stats: Stats,
}

/// Counters that the node's own threads write, and the process that they are in.
pub(super) struct Stats {
    pub(super) ingest: Arc<IngestStats>,
    pub(super) cores: Arc<[Arc<CoreStats>]>,
    /// Turns of the threads of the feed and of the store.
    pub(super) turns: [Arc<Cell>; 2],
    pub(super) probe: Arc<ArchiveProbe>,
    pub(super) publishes: Arc<PublishStats>,
    pub(super) process: Process,
    pub(super) min_lives: MinLives,
    pub(super) occupancy: Occupancy,
    pub(super) listed_occupancy: Arc<ListedOccupancy>,
    pub(super) key_sets: KeySets,
    pub(super) forward: Option<Arc<Forward>>,
    /// How long answers of the application take.
    pub(super) answers: Arc<Durations>,
    pub(super) revocations: Option<Arc<KnownRevocations>>,
    pub(super) revocation_writer: Option<Arc<RevocationWriter>>,
    /// Where a listener has certificates.
    pub(super) tls: Option<Arc<TlsStatus>>,
}

impl NodeView {
    pub(super) fn new(
        config: &Config,
        server: &Server,
        store_name: &str,
        store: Arc<dyn Fn() -> StoreReport + Send + Sync>,
        began: Instant,
        stats: Stats,
    ) -> Self {
        let listeners: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
        Self {
            began,
            ready_probe_age: config.admin.ready_probe_age.0,
            stuck_after: config.admin.stuck_after.0,
            tail_budget: config.tail.budget.0,
            identity: json!({
                "version": env!("CARGO_PKG_VERSION"),
                "process": std::process::id(),
                "listen": listeners.first(),
                "listeners": listeners,
                "cores": stats.cores.len(),
                "store": store_name,
                "prefix": config.redis.prefix.0,
            }),
            admission: Arc::clone(server.admission()),
            http: Arc::clone(server.stats()),
            acceptor: Arc::clone(server.acceptor()),
            ranking: Arc::clone(server.ranking()),
            listeners,
            threads: ThreadWatch::default(),
            store,
            stats,
        }
    }

    /// Age of the last proven round trip through the feed.
    fn probe_age(&self) -> Option<Duration> {
        let proven = self.stats.ingest.proven_ms.get().checked_sub(1)?;
        Some(self.began.elapsed().saturating_sub(Duration::from_millis(proven)))
    }

    /// For how long nothing was seen of each kind of thread; of the connection threads the worst counts.
    fn silences(&self) -> [(&'static str, Duration); 5] {
        let [feed, store] = &self.stats.turns;
        let fixed = [&self.acceptor.turns, feed, &self.stats.ingest.turns, store];
        let cores = self.stats.cores.iter().map(|core| &core.sweeps);
        let turns = fixed.into_iter().chain(cores).map(Cell::get);
        let silences = self.threads.look(turns, Instant::now());
        let (fixed, cores) = silences.split_at(fixed.len().min(silences.len()));
        let of = |index: usize| fixed.get(index).copied().unwrap_or_default();
        let core = cores.iter().max().copied().unwrap_or_default();
        [("accept", of(0)), ("core", core), ("feed", of(1)), ("ingest", of(2)), ("store", of(3))]
    }

    fn cores(&self, cell: impl Fn(&CoreStats) -> &Cell) -> u64 {
        self.stats.cores.iter().map(|core| cell(core).get()).sum()
    }

    fn http(&self, cell: impl Fn(&HttpStats) -> &Cell) -> u64 {
        self.http.iter().map(|core| cell(core).get()).sum()
    }

    fn gaps(&self, samples: &mut Samples, metric: &'static Metric, count: impl Fn(GapReason) -> u64) {
        for reason in GapReason::ALL {
            samples.add_labelled(metric, reason.as_str(), count(reason));
        }
    }

    fn collect_node(&self, samples: &mut Samples) {
        samples.add_labelled(&m::BUILD_INFO, env!("CARGO_PKG_VERSION"), 1);
        samples.add_f64(&m::UPTIME, self.began.elapsed().as_secs_f64());
        let health = self.health();
        samples.add(&m::READY, u64::from(health.ready()));
        samples.add(&m::ACCEPTING, u64::from(health.accepts()));
        for (thread, silence) in self.silences() {
            samples.add_labelled_f64(&m::THREAD_SILENCE, thread, silence.as_secs_f64());
        }
        samples.add(&m::DRAINING, u64::from(self.admission.is_draining()));
        samples.add(&m::LOG_DROPPED, self.stats.process.log.dropped());
    }

    fn collect_connections(&self, samples: &mut Samples) {
        samples.add(&m::CONNECTIONS, self.admission.sockets() as u64);
        samples.add(&m::CONNECTIONS_LIMIT, self.admission.max_connections() as u64);
        samples.add(&m::SILENT, self.admission.silent() as u64);
        samples.add(&m::DESCRIPTORS_LIMIT, self.stats.process.descriptors.limit.unwrap_or(0) as u64);
        samples.add(&m::SESSIONS, self.admission.sessions() as u64);
        samples.add_labelled(&m::SESSIONS_LAGGING, "blocked", self.cores(|core| &core.lagging.blocked));
        samples.add_labelled(&m::SESSIONS_LAGGING, "behind", self.cores(|core| &core.lagging.behind));
        let primes = self.stats.cores.iter().map(|core| core.primes.snapshot());
        samples.add_buckets(&m::PRIME_SECONDS, histograms::durations(primes));
        samples.add(&m::SESSIONS_OPENED, self.cores(|core| &core.opened));
        for end in End::ALL {
            samples.add_labelled(&m::SESSIONS_ENDED, end.as_str(), self.cores(|core| core.ends.of(end)));
        }
        samples.add(&m::SUBSCRIPTIONS, self.cores(|core| &core.subscriptions));
        for reason in Reason::ALL {
            samples.add_labelled(&m::REFUSALS, reason.as_str(), self.admission.refused(reason));
        }
        for (listener, accepted) in self.listeners.iter().zip(&self.acceptor.accepted) {
            samples.add_labelled(&m::ACCEPTED, listener, accepted.get());
        }
        samples.add(&m::ACCEPT_ERRORS, self.acceptor.errors.get());
        samples.add_labelled(&m::PROXY_ERRORS, "header", self.http(|http| &http.doubtful_clients));
        samples.add_labelled(&m::PROXY_ERRORS, "protocol", self.http(|http| &http.proxy_headers_failed));
        self.collect_handshakes(samples);
        self.collect_http2(samples);
        for (index, reason) in Denied::REASONS.into_iter().enumerate() {
            let all = Right::ALL.map(|right| self.http(|http| &http.denied.of(right)[index]));
            samples.add_labelled(&m::DENIED, reason, all.iter().sum());
        }
        for right in Right::ALL {
            let all = (0..Denied::REASONS.len()).map(|index| self.http(|http| &http.denied.of(right)[index]));
            samples.add_labelled(&m::DENIED_RIGHTS, right.as_str(), all.sum());
        }
        samples.add(&m::REQUESTS, self.http(|http| &http.requests));
        let errors = [
            ("client", self.http(|http| &http.client_errors)),
            ("server", self.http(|http| &http.server_errors)),
            ("malformed", self.http(|http| &http.malformed)),
            ("timeout", self.http(|http| &http.timeouts)),
        ];
        for (kind, count) in errors {
            samples.add_labelled(&m::REQUEST_ERRORS, kind, count);
        }
        samples.add(&m::HTTP_PUBLISHED, self.http(|http| &http.published));
        samples.add_buckets(&m::PUBLISH_SECONDS, histograms::durations([self.stats.publishes.lengths.snapshot()]));
        for (kind, count) in self.stats.publishes.errors() {
            samples.add_labelled(&m::PUBLISH_ERRORS, kind, count);
        }
        samples.add_labelled(&m::HTTP_BUSY, "publish", self.http(|http| &http.busy_publishes));
        samples.add_labelled(&m::HTTP_BUSY, "history", self.http(|http| &http.busy_histories));
        samples.add_labelled(&m::HTTP_BUSY, "count", self.http(|http| &http.busy_counts));
        samples.add_labelled(&m::HTTP_BUSY, "ticket", self.http(|http| &http.busy_tickets));
        samples.add(&m::TICKETS, self.http(|http| &http.tickets));
        samples.add(&m::TICKETS_REFUSED, self.http(|http| &http.refused_tickets));
        for what in TicketUse::ALL {
            samples.add_labelled(&m::TICKET_USES, what.as_str(), self.http(|http| http.ticket_uses.of(what)));
        }
        samples.add(&m::HISTORY_PAGES, self.http(|http| &http.histories));
        samples.add(&m::COUNTS, self.http(|http| &http.counts));
        samples.add(&m::COUNTS_REFUSED, self.http(|http| &http.refused_counts));
    }

    fn collect_handshakes(&self, samples: &mut Samples) {
        let mut add = |result, count| samples.add_labelled(&m::TLS_HANDSHAKES, result, count);
        add("established", self.http(|http| &http.tls.established));
        add("failed", self.http(|http| &http.tls.failed));
        add("late", self.http(|http| &http.tls.late));
        add("plain", self.http(|http| &http.tls.plain));
    }

    fn collect_http2(&self, samples: &mut Samples) {
        samples.add(&m::HTTP2_CONNECTIONS, self.http(|http| &http.http2.connections));
        samples.add(&m::HTTP2_STREAMS, self.http(|http| &http.http2.streams));
        samples.add(&m::HTTP2_UNSENT, self.http(|http| &http.http2.unsent));
        for (index, code) in Http2Stats::GOAWAYS.into_iter().enumerate() {
            samples.add_labelled(&m::HTTP2_GOAWAYS, code, self.http(|http| &http.http2.goaways[index]));
        }
        for flood in Flood::ALL {
            samples.add_labelled(&m::HTTP2_FLOODS, flood.as_str(), self.http(|http| http.http2.floods(flood)));
        }
    }

    /// Of the application that is asked about requests.
    fn collect_forward(&self, samples: &mut Samples) {
        let status = self.stats.forward.as_ref().map(|forward| forward.status()).unwrap_or_default();
        for (result, count) in [
            ("allowed", status.allowed),
            ("denied", status.denied),
            ("failed", status.failed()),
            ("kept", status.kept),
            ("refused", status.refused),
        ] {
            samples.add_labelled(&m::FORWARD_AUTH, result, count);
        }
        for (failure, count) in ForwardFailure::ALL.into_iter().zip(status.failures) {
            samples.add_labelled(&m::FORWARD_FAILURES, failure.as_str(), count);
        }
        samples.add(&m::FORWARD_ASKING, status.asking as u64);
        samples.add_buckets(&m::FORWARD_SECONDS, histograms::durations([self.stats.answers.snapshot()]));
    }

    fn collect_delivery(&self, samples: &mut Samples) {
        samples.add(&m::DELIVERIES, self.cores(|core| &core.deliveries));
        samples.add(&m::BYTES, self.cores(|core| &core.bytes));
        samples.add(&m::WRITES, self.cores(|core| &core.writes));
        samples.add(&m::BLOCKED, self.cores(|core| &core.blocked));
        samples.add(&m::HEARTBEATS, self.cores(|core| &core.heartbeats));
        let gap = |gaps: &GapCells, reason| gaps.of(reason).get();
        self.gaps(samples, &m::GAPS, |reason| self.stats.cores.iter().map(|core| gap(&core.gaps, reason)).sum());
        samples.add_buckets(&m::LAG, histograms::lag(&self.stats.cores));
    }

    fn collect_log(&self, samples: &mut Samples) {
        let ingest = &self.stats.ingest;
        samples.add(&m::CHANNELS, ingest.channels.get());
        samples.add(&m::CHANNELS_OPENED, ingest.channels_opened.get());
        samples.add(&m::CHANNELS_REFUSED, ingest.channels_refused.get());
        samples.add(&m::CHANNELS_WRONG_TYPE, ingest.wrong_type.get());
        let states = [("unprimed", &ingest.unprimed), ("paging", &ingest.paging), ("failing", &ingest.failing)];
        for (state, waiting) in states {
            samples.add_labelled(&m::CHANNELS_WAITING, state, waiting.channels.get());
            samples.add_labelled_f64(&m::CHANNELS_WAITING_SECONDS, state, self.longest(waiting).as_secs_f64());
        }
        samples.add_buckets(&m::INGEST_TURNS, histograms::durations([ingest.turn_lengths.snapshot()]));
        samples.add_f64(&m::INGEST_LONGEST, seconds(ingest.longest_turn_us.get(), 1_000_000));
        samples.add(&m::TAIL_BYTES, ingest.tail_bytes.get());
        samples.add(&m::TAIL_BUDGET, self.tail_budget);
        samples.add(&m::TAIL_EVICTIONS, ingest.evictions.get());
        samples.add(&m::REPAIRED, ingest.repaired.get());
        samples.add(&m::VERIFIED, ingest.verified.get());
        let (all, differs) = (ingest.reconciles.get(), ingest.reconcile_misses.get());
        samples.add_labelled(&m::RECONCILES, "same", all.saturating_sub(differs));
        samples.add_labelled(&m::RECONCILES, "differs", differs);
        self.gaps(samples, &m::SEAMS, |reason| ingest.seams.of(reason).get());
        samples.add_labelled(&m::ARCHIVE_READS, "head", ingest.head_reads.get());
        samples.add_labelled(&m::ARCHIVE_READS, "page", ingest.page_reads.get());
        samples.add(&m::ARCHIVE_SHARED, ingest.shared_reads.get());
        samples.add(&m::ARCHIVE_FAILED, ingest.failed_reads.get());
        let age = self.stats.probe.age().unwrap_or_else(|| self.began.elapsed());
        samples.add_f64(&m::ARCHIVE_PROBE_AGE, age.as_secs_f64());
        let store = (self.store)();
        samples.add_f64(&m::ARCHIVE_THROTTLED, seconds(ingest.throttled_ms.get(), 1_000));
        samples.add_buckets(&m::ARCHIVE_COMMANDS, histograms::durations([store.archive_commands]));
        samples.add_buckets(&m::ARCHIVE_WAITS, histograms::durations([store.archive_waits]));
        samples.add(&m::ARCHIVE_BYTES, store.archive_bytes);
        samples.add_labelled(&m::FOREIGN, "event_name", store.foreign_event_names);
        samples.add_labelled(&m::FOREIGN, "no_data", store.foreign_without_data);
    }

    /// For how long the first channel in a state has been in it.
    fn longest(&self, waiting: &Waiting) -> Duration {
        let since = waiting.since_ms.get().checked_sub(1).map(Duration::from_millis);
        since.map_or(Duration::ZERO, |since| self.began.elapsed().saturating_sub(since))
    }

    fn collect_revocations(&self, samples: &mut Samples) {
        let known = self.stats.revocations.as_deref();
        samples.add(&m::REVOCATIONS, known.map_or(0, KnownRevocations::in_force));
        let behind = known.map_or(Duration::ZERO, KnownRevocations::incomplete_for);
        samples.add_f64(&m::REVOCATIONS_BEHIND, behind.as_secs_f64());
        samples.add(&m::REVOCATION_LAPSES, known.map_or(0, KnownRevocations::lapses));
        let none = RevocationStats::default();
        let stats = known.map_or(&none, |known| &known.stats);
        let kinds = [
            ("read", &stats.read),
            ("garbage", &stats.garbage),
            ("unknown", &stats.unknown),
            ("kept_otherwise", &stats.kept_otherwise),
        ];
        for (kind, cell) in kinds {
            samples.add_labelled(&m::REVOCATION_ENTRIES, kind, cell.get());
        }
        self.gaps(samples, &m::REVOCATION_GAPS, |reason| stats.gaps.of(reason).get());
        samples.add_labelled(&m::REVOCATION_GAPS, "trimmed_early", stats.trimmed_early.get());
        let none_asked = RevokeStats::default();
        let asked = self.stats.revocation_writer.as_deref().map_or(&none_asked, RevocationWriter::stats);
        for (outcome, count) in asked.outcomes() {
            samples.add_labelled(&m::REVOKE_REQUESTS, outcome, count);
        }
    }

    /// Of certificates. Where there are none, nothing was replaced and nothing failed.
    fn collect_tls(&self, samples: &mut Samples) {
        let none = TlsStatus::default();
        let status = self.stats.tls.as_deref().unwrap_or(&none);
        samples.add_labelled(&m::TLS_RELOADS, "replaced", status.replaced.get());
        samples.add_labelled(&m::TLS_RELOADS, "failed", status.failed.get());
        for (path, ends) in status.ends() {
            samples.add_labelled(&m::TLS_EXPIRY, &path, ends);
        }
    }

    /// Why nobody gets anything by a token. The moment in which the log is read again after the feed was away is not told.
    fn revocations_unknown(&self) -> Option<RevocationsUnknown> {
        let revocations = self.stats.revocations.as_ref()?;
        let is_long = revocations.incomplete_for() > self.ready_probe_age;
        revocations.unknown().filter(|unknown| is_long || !matches!(unknown, RevocationsUnknown::Behind(_)))
    }

    /// Of counted channels.
    fn collect_occupancy(&self, samples: &mut Samples) {
        let (channels, watched) = self.stats.occupancy.channels();
        let stats = self.stats.occupancy.stats();
        samples.add_labelled(&m::OCCUPANCY_CHANNELS, "counted", channels as u64);
        samples.add_labelled(&m::OCCUPANCY_CHANNELS, "watched", watched as u64);
        samples.add_labelled(&m::OCCUPANCY_ROUNDS, "done", stats.rounds.get());
        samples.add_labelled(&m::OCCUPANCY_ROUNDS, "failed", stats.failed.get());
        samples.add_buckets(&m::OCCUPANCY_SECONDS, histograms::durations([stats.lengths.snapshot()]));
        samples.add_labelled(&m::OCCUPANCY_NUMBERS, "written", stats.written.get());
        samples.add_labelled(&m::OCCUPANCY_NUMBERS, "asked", stats.asked.get());
        samples.add(&m::OCCUPANCY_LIVES, stats.lives.get());
        samples.add_f64(&m::OCCUPANCY_LAG, stats.lag().as_secs_f64());
    }

    /// The same for people.
    fn counting(&self) -> Value {
        let ((channels, watched), stats) = (self.stats.occupancy.channels(), self.stats.occupancy.stats());
        json!({
            "channels": channels,
            "watched_channels": watched,
            "lag_seconds": stats.lag().as_secs(),
            "last_error": stats.error().map(|error| error.to_string()),
        })
    }

    fn collect_feed(&self, samples: &mut Samples) {
        let ingest = &self.stats.ingest;
        samples.add(&m::FEED_CONNECTED, ingest.connected.get());
        samples.add(&m::FEED_CONNECTS, ingest.connects.get());
        let age = self.probe_age().unwrap_or_else(|| self.began.elapsed());
        samples.add_f64(&m::PROBE_AGE, age.as_secs_f64());
        samples.add_f64(&m::PROBE_ROUND_TRIP, Duration::from_micros(ingest.round_trip_us.get()).as_secs_f64());
        samples.add(&m::SUBSCRIPTIONS_REFUSED, ingest.refused.get());
        for (kind, cell) in [
            ("entry", &ingest.pushes),
            ("ephemeral", &ingest.ephemerals),
            ("doorbell", &ingest.doorbells),
            ("duplicate", &ingest.duplicates),
            ("malformed", &ingest.malformed),
            ("overflow", &ingest.overflows),
            ("shed", &ingest.shed),
        ] {
            samples.add_labelled(&m::FEED_EVENTS, kind, cell.get());
        }
        let store = (self.store)();
        samples.add(&m::FEED_UNFOUNDED, store.unfounded_pushes + self.stats.ingest.unfounded.get());
        samples.add(&m::STREAMS_EXPIRE_BROKEN, store.expiring_channels);
        for (seen, by) in [("expiry", BrokenBy::Expiry), ("end", BrokenBy::End)] {
            samples.add_labelled(&m::MIN_LIFE_BROKEN, seen, self.stats.min_lives.broken(by));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
fn seconds(units: u64, per_second: u64) -> f64 {
    units as f64 / per_second as f64
}

impl Source for NodeView {
    fn collect(&self, samples: &mut Samples) {
        self.collect_node(samples);
        self.collect_connections(samples);
        self.stats.key_sets.collect(samples);
        self.collect_forward(samples);
        self.collect_delivery(samples);
        self.collect_log(samples);
        self.collect_feed(samples);
        self.collect_revocations(samples);
        self.collect_tls(samples);
        self.collect_occupancy(samples);
    }
}

impl Subject for NodeView {
    fn health(&self) -> Health {
        let stuck = self.silences().into_iter().filter(|(_, silence)| *silence >= self.stuck_after);
        Health::judge(Facts {
            draining: self.admission.is_draining(),
            stuck: stuck.collect(),
            feed: Proof { age: self.probe_age(), error: (self.store)().error },
            archive: Proof { age: self.stats.probe.age(), error: self.stats.probe.error() },
            revocations: self.revocations_unknown(),
            limit: self.ready_probe_age,
        })
    }

    async fn top_channels(&self) -> Vec<ListedChannel> {
        self.stats.listed_occupancy.list(self.ranking.top().await).await
    }

    fn revocation_writer(&self) -> Option<Arc<RevocationWriter>> {
        self.stats.revocation_writer.clone()
    }

    fn identity(&self) -> Value {
        let mut identity = self.identity.clone();
        if let Value::Object(facts) = &mut identity {
            facts.extend((self.store)().facts);
            if let Some(tls) = &self.stats.tls {
                facts.insert("tls".to_owned(), tls.to_json());
            }
            if let Some(key_sets) = self.stats.key_sets.to_json() {
                facts.insert("key_sets".to_owned(), key_sets);
            }
            if !self.stats.occupancy.is_off() {
                facts.insert("occupancy".to_owned(), self.counting());
            }
            if let Some(forward) = &self.stats.forward {
                facts.insert("forward_auth_last_error".to_owned(), json!(forward.status().last_error));
            }
        }
        identity
    }
}
