//! `fanfare redis check`: whether this Redis and this user can carry the guarantee, and what to run if not.

mod advice;
mod clock;
mod lacks;
mod product;
mod report;
mod rights;
mod server;

use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::archive::reply::time_ms;
use crate::connect::{self, Connector};
use crate::error::Error;
use crate::eviction::{self, Eviction};
use crate::feed::{HOW_TO_ENABLE, announces_xadd};
use crate::functions::{self, LOAD_BY_HAND, VERSION};
use crate::options::Options;
use crate::primary;
use crate::value::{array, info_field, pairs, text};
use advice::Advice;
use lacks::Lack;
use product::{Kind, Product};
pub use report::{Grade, Line, Report};

/// Looks at the server with the node's own user. Writes nothing that lasts; publishes one message to a probe channel
/// of its own. Takes a few round trips, and at most `command_timeout` for each.
pub async fn check(options: &Options) -> Report {
    let mut report = Report::default();
    let info = match options.validate().and_then(|()| options.connection()) {
        Ok(info) => info,
        Err(error) => {
            report.fail("options", error, "");
            return report;
        }
    };
    report = Report::on(Advice::at(&info));
    let database = info.redis_settings().db();
    let config = connect::config(options.command_timeout);
    match Connector::Network.connect(info, config, options.command_timeout).await {
        Ok(connection) => {
            let mut asked = Asked { connection, options, database, report, has_functions: true };
            asked.all().await;
            asked.report
        }
        Err(error) => {
            report.fail("connection", format!("{}: {error}", options.address()), "");
            report
        }
    }
}

/// A check under way.
struct Asked<'a> {
    connection: MultiplexedConnection,
    options: &'a Options,
    database: i64,
    report: Report,
    /// By the server's own word.
    has_functions: bool,
}

impl Asked<'_> {
    async fn all(&mut self) {
        self.report.ok("connection", self.options.address());
        self.commands().await;
        match self.ask(&["INFO"]).await.map(text) {
            Ok(Some(info)) => self.server(&info).await,
            Ok(None) => self.report.warn("server", "the reply to INFO is no text", ""),
            Err(error) => self.without_info(&error).await,
        }
        self.clock().await;
        self.output_buffer().await;
        self.keyspace().await;
        self.library().await;
        self.rights().await;
    }

    /// Which of the commands that are advised, or that differ between services, the server has.
    async fn commands(&mut self) {
        for (command, words) in [("CONFIG", &["CONFIG", "GET", "maxmemory"][..]), ("ACL", &["ACL", "SETUSER"])] {
            if self.is_absent(words).await {
                self.report.lacks(command);
            }
        }
        self.has_functions = !self.is_absent(&["FCALL_RO", "sse_version", "0"]).await;
        if !self.has_functions {
            self.report.lacks("FUNCTION");
        }
    }

    async fn is_absent(&mut self, words: &[&str]) -> bool {
        matches!(self.ask(words).await.map_err(Lack::of), Err(Ok(Lack::Absent(_))))
    }

    /// Sends one command and waits for the answer.
    async fn ask(&mut self, words: &[&str]) -> Result<Value, Error> {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        Ok(command.query_async(&mut self.connection).await?)
    }

    /// The value of a parameter of `CONFIG`; `None` when this user may not ask.
    async fn config(&mut self, parameter: &str) -> Option<String> {
        let reply = self.ask(&["CONFIG", "GET", parameter]).await.ok()?;
        text(pairs(reply)?.into_iter().next()?.1)
    }

    async fn server(&mut self, info: &str) {
        let field = |name| info_field(info, name).unwrap_or_default();
        let product = Product::of(info);
        if product.kind == Kind::RedisEnterprise {
            // It has a few parameters of CONFIG only, and its own way of making users
            // (https://redis.io/docs/latest/operate/rs/references/compatibility/).
            self.report.lacks("CONFIG");
            self.report.lacks("ACL");
        }
        server::version(&mut self.report, &product, self.has_functions);
        if let Ok(regions) = primary::regions(&mut self.connection, info).await {
            server::regions(&mut self.report, regions);
        }
        if field("cluster_enabled") == "1" {
            self.report.fail("topology", "this is a Redis Cluster, which is not supported yet", "");
        }
        server::role(&mut self.report, field("role"), field("master_host"));
        let save = self.config("save").await;
        server::persistence(&mut self.report, field("aof_enabled") == "1", save.as_deref());
        let eviction = eviction::by_info(Value::BulkString(info.as_bytes().to_vec())).unwrap_or(Eviction::Anything);
        server::eviction(
            &mut self.report,
            (eviction, self.options.min_lives.permanence().is_promised()),
            field("maxmemory_policy"),
            field("maxmemory_human"),
        );
        if self.options.revocations && eviction == Eviction::Anything {
            server::revocations(&mut self.report, field("maxmemory_policy"));
        }
        if server::is_full(field("used_memory"), field("maxmemory")) {
            let reads = self.reads_while_full().await;
            server::full(
                &mut self.report,
                reads,
                self.has_functions,
                field("used_memory_human"),
                field("maxmemory_human"),
            );
        }
        server::database(&mut self.report, self.database, info);
        let replicas = field("connected_slaves").parse().unwrap_or(0);
        let required = self.config("min-replicas-to-write").await;
        server::failover(&mut self.report, replicas, required.as_deref());
    }

    /// A Redis that hides `INFO`, or a user who may not use it: the same facts from elsewhere, as far as they are to be had.
    async fn without_info(&mut self, error: &Error) {
        let is_denied = matches!(error, Error::Denied(_));
        let run = if is_denied { self.report.allow(["+info"]) } else { String::new() };
        let finding = format!("INFO cannot be asked ({error}): its version and which server it is stay unknown");
        self.report.warn("server", finding, &run);
        let mut role = self.ask(&["ROLE"]).await.ok().and_then(array).unwrap_or_default().into_iter().filter_map(text);
        if let Some(kind) = role.next() {
            server::role(&mut self.report, &kind, &role.next().unwrap_or_default());
        }
        match self.config("maxmemory-policy").await {
            Some(policy) => {
                let eviction =
                    eviction::by_config(self.ask(&eviction::CONFIG).await.ok()).unwrap_or(Eviction::Anything);
                let limit = self.config("maxmemory").await.unwrap_or_default();
                server::eviction(
                    &mut self.report,
                    (eviction, self.options.min_lives.permanence().is_promised()),
                    &policy,
                    &limit,
                );
            }
            None => {
                let rules: &[&str] = if is_denied { &["+info", "+config|get"] } else { &["+config|get"] };
                let run = self.report.allow(rules.iter().copied());
                let finding = "neither INFO nor CONFIG GET can be asked: nodes assume that keys are evicted, which costs false gaps";
                self.report.warn("eviction", finding, &run);
            }
        }
    }

    /// Whether streams can be read while a transaction is refused (Redis 7.0 at maxmemory), in any of the ways of a node.
    async fn reads_while_full(&mut self) -> bool {
        // A transaction that was refused leaves nothing behind but this error of EXEC.
        let queued = [self.ask(&["MULTI"]).await, self.ask(&["TIME"]).await, self.ask(&["EXEC"]).await];
        if queued.iter().all(Result::is_ok) {
            return true;
        }
        for words in [["FCALL_RO", "sse_version", "0"], ["EVAL_RO", "return 1", "0"], ["EVAL", "return 1", "0"]] {
            if self.ask(&words).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// A user who may not ask hears so of its rights.
    async fn clock(&mut self) {
        let asked_ms = clock::now_ms();
        if let Ok(server_ms) = self.ask(&["TIME"]).await.and_then(time_ms) {
            clock::judge(&mut self.report, asked_ms, server_ms, clock::now_ms());
        }
    }

    async fn output_buffer(&mut self) {
        let limits = self.config("client-output-buffer-limit").await;
        server::output_buffer(&mut self.report, limits.as_deref(), self.options.event_bytes);
    }

    async fn keyspace(&mut self) {
        let what = "notifications";
        if !self.options.keyspace_notifications {
            self.report
                .ok(what, "redis.keyspace_notifications is off; a plain XADD arrives within redis.reconcile_interval");
            return;
        }
        match self.config("notify-keyspace-events").await {
            Some(flags) if announces_xadd(&flags) => self.report.ok(what, format!("notify-keyspace-events is {flags}")),
            Some(flags) => self.report.warn(
                what,
                format!("notify-keyspace-events is {flags:?}: a plain XADD is not announced"),
                HOW_TO_ENABLE,
            ),
            None => self.report.warn(what, "this user may not ask for notify-keyspace-events", HOW_TO_ENABLE),
        }
    }

    async fn library(&mut self) {
        let what = "functions";
        if !self.has_functions {
            self.report.ok(what, "this Redis has none; publishers use EVAL of sse_publish.lua");
            return;
        }
        match functions::loaded_version(&mut self.connection).await {
            Ok(Some(found)) if found == VERSION => {
                self.report.ok(what, format!("sse_publish is there, version {found}"));
            }
            Ok(Some(found)) if found > VERSION => {
                self.report
                    .ok(what, format!("sse_publish is there, version {found}, newer than this program's {VERSION}"));
            }
            Ok(found) => {
                let found = found
                    .map_or_else(|| "missing".to_owned(), |found| format!("version {found}, older than {VERSION}"));
                let advice =
                    if self.options.load_functions { "; a node that may load it does so when it connects" } else { "" };
                self.report.warn(what, format!("sse_publish is {found}{advice}"), LOAD_BY_HAND);
            }
            Err(error) => self.report.warn(what, format!("cannot ask: {error}"), LOAD_BY_HAND),
        }
    }
}
