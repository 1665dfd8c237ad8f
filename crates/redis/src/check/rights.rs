//! What this user may do. Every right is tried with a command that changes nothing: Redis looks at the ACL first and
//! at the arguments afterwards, so a complaint about those means that the command itself is allowed.

use fanfare_protocol::TicketName;

use super::Asked;
use super::lacks::Lack;
use crate::error::Error;
use crate::functions::LIBRARY_KEY;

/// What a node cannot do without a right.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    /// Anything.
    All,
    /// Something, which the text names.
    For(&'static str),
}

struct Right {
    rule: &'static str,
    need: Need,
    words: Vec<String>,
}

impl Asked<'_> {
    pub(super) async fn rights(&mut self) {
        let mut missing = Vec::new();
        for right in self.wanted() {
            let words: Vec<&str> = right.words.iter().map(String::as_str).collect();
            match self.ask(&words).await.map_err(Lack::of) {
                Err(Ok(lack)) => missing.push((right, lack)),
                Err(Err(error)) if is_of_link(&error) => return self.lost_the_link(&error),
                _ => {}
            }
        }
        if let Err(error) = self.subscriptions(&mut missing).await {
            return self.lost_the_link(&error);
        }
        // Last: a transaction that cannot be ended takes the connection with it. Not a pipeline of the client library,
        // whose reader panics (1.8, with overflow checks) when MULTI itself is refused.
        for command in ["MULTI", "EXEC"] {
            if let Err(Ok(lack)) = self.ask(&[command]).await.map_err(Lack::of) {
                missing.push((Right { rule: "+multi +exec", need: Need::All, words: vec!["MULTI".into()] }, lack));
                break;
            }
        }
        if missing.is_empty() {
            self.report.ok("rights", "this user may do everything that a node does");
        }
        for (right, lack) in missing {
            self.lacks_right(&right, &lack);
        }
    }

    /// The connection is gone, so that nothing more can be tried: that says nothing of rights.
    fn lost_the_link(&mut self, error: &Error) {
        self.report.fail("rights", format!("the connection broke: {error}"), "");
    }

    /// What follows from a right that this user lacks, or from a command that the server lacks, which no right would bring.
    fn lacks_right(&mut self, right: &Right, lack: &Lack) {
        let (what, run) = match lack {
            Lack::Denied(_) => {
                let missing = right.rule.split(' ').filter(|rule| rule.starts_with(kind_of_rule(lack.reason())));
                let rules: Vec<_> = missing.map(|rule| rule.replace("sse:", &self.options.prefix)).collect();
                (right.rule.to_owned(), self.report.allow(rules.iter().map(String::as_str)))
            }
            Lack::Absent(_) => {
                let command = right.words.first().map_or("that", String::as_str);
                (format!("{command}, which this service does not have"), String::new())
            }
        };
        let reason = lack.reason();
        match right.need {
            Need::All => self.report.fail("rights", format!("a node cannot work without {what}: {reason}"), &run),
            Need::For(use_of) => self.report.warn("rights", format!("without {what}, {use_of}: {reason}"), &run),
        }
    }

    /// What reads large entries, and what tells how large a stream is.
    fn wanted_for_large_entries(&self, stream: &str, rights: &mut Vec<Right>) {
        let reads = Need::For("large entries are read in small steps and come along whenever a stream is compared");
        let right =
            |rule, need, words: &[&str]| Right { rule, need, words: words.iter().map(|word| (*word).into()).collect() };
        if self.has_functions {
            rights.push(right("+fcall_ro", reads, &["FCALL_RO", "sse_version", "0"]));
        } else {
            rights.push(right("+eval", reads, &["EVAL", "return 1", "0"]));
            rights.push(right("+evalsha", reads, &["EVALSHA", "0", "0"]));
        }
        let memory = Need::For("every page of more than a few entries is read by a function, which costs Redis time");
        rights.push(right("+memory|usage ~sse:*", memory, &["MEMORY", "USAGE", stream]));
    }

    /// What follows the log of revocations, and what writes it.
    fn wanted_for_revocations(&self, rights: &mut Vec<Right>) {
        let log = self.own_log();
        let right =
            |rule, need, words: &[&str]| Right { rule, need, words: words.iter().map(|word| (*word).into()).collect() };
        let revokes = Need::For("POST /revocations and `fanfare revoke` as this user cannot revoke");
        let epoch = self.options.keys().own_epoch();
        rights.push(right("+xinfo|stream ~$fanfare:*", Need::All, &["XINFO", "STREAM", &log]));
        rights.push(right("+get ~$fanfare:*", Need::All, &["GET", &epoch]));
        rights.push(right("+set ~$fanfare:*", Need::All, &["SET", &epoch, "x", "NX", "XX"]));
        rights.push(right("+xrange ~$fanfare:*", Need::All, &["XRANGE", &log, "-", "+", "COUNT", "1"]));
        rights.push(right("+xadd ~$fanfare:*", revokes, &["XADD", &log, "0-0", "data", ""]));
        rights.push(right("+publish &$fanfare:*", revokes, &["PUBLISH", &log, ""]));
    }

    /// What counts readers over all nodes. The hash of a name that no channel has, and a life that no node has.
    fn wanted_for_occupancy(&self, rights: &mut Vec<Right>) {
        let need = Need::For("readers are not counted: GET /channels/{channel} and $occupancy tell nothing");
        let (hash, life) = (format!("{}$check", self.own("readers:")), self.own("node:check"));
        let right =
            |rule, words: &[&str]| Right { rule, need, words: words.iter().map(|word| (*word).into()).collect() };
        rights.push(right("+get ~$fanfare:*", &["GET", &life]));
        rights.push(right("+set ~$fanfare:*", &["SET", &life, "x", "NX", "XX"]));
        rights.push(right("+hgetall ~$fanfare:*", &["HGETALL", &hash]));
        rights.push(right("+hset ~$fanfare:*", &["HSET", &hash, "x", "x", "x"]));
        rights.push(right("+hdel ~$fanfare:*", &["HDEL", &hash, "x"]));
        rights.push(right("+pexpire ~$fanfare:*", &["PEXPIRE", &hash, "1"]));
    }

    /// What a key of the gateway's own begins with.
    fn own(&self, kind: &str) -> String {
        format!("$fanfare:{{{}}}:{kind}", self.options.prefix)
    }

    /// A log of the gateway's own that is never written.
    fn own_log(&self) -> String {
        self.own("check")
    }

    /// Commands of a node and what they are for.
    fn wanted(&self) -> Vec<Right> {
        let stream = format!("{}fanfare-check", self.options.prefix);
        let epoch = format!("{}$epoch", self.options.prefix);
        let probe = self.probe();
        let right =
            |rule, need, words: &[&str]| Right { rule, need, words: words.iter().map(|word| (*word).into()).collect() };
        let loads = Need::For("this node cannot load the publishing functions");
        let publishes = Need::For("this node cannot publish (the HTTP endpoint)");
        let mut rights = vec![
            right("+ping", Need::All, &["PING"]),
            right("+unwatch", Need::All, &["UNWATCH"]),
            right("+time", Need::All, &["TIME"]),
            right("+xinfo|stream ~sse:*", Need::All, &["XINFO", "STREAM", &stream]),
            right("+xrange ~sse:*", Need::All, &["XRANGE", &stream, "-", "+", "COUNT", "1"]),
            right("+xrevrange ~sse:*", Need::All, &["XREVRANGE", &stream, "+", "-", "COUNT", "1"]),
            right("+get ~sse:*", Need::All, &["GET", &epoch]),
            right("+set ~sse:*", Need::All, &["SET", &epoch, "x", "NX", "XX"]),
            right("+publish &sse:*", Need::For("a PING stands in for the probe"), &["PUBLISH", &probe, "check"]),
            right(
                "+info",
                Need::For("a replica, or a second server behind the address, is not told from the primary"),
                &["INFO", "memory"],
            ),
        ];
        if self.options.publishes {
            rights.push(right("+xadd ~sse:*", publishes, &["XADD", &stream, "0-0", "data", ""]));
        }
        if self.options.keyspace_notifications {
            let need = Need::For("nobody says whether Redis sends keyspace notifications");
            rights.push(right("+config|get", need, &["CONFIG", "GET", "notify-keyspace-events"]));
        }
        let min_lives = &self.options.min_lives;
        if !min_lives.is_empty() || min_lives.permanence().is_promised() {
            let need = Need::For("nobody sees whether min_life and redis.streams_expire are kept");
            rights.push(right("+pttl ~sse:*", need, &["PTTL", &stream]));
        }
        if self.options.revocations {
            self.wanted_for_revocations(&mut rights);
        }
        self.wanted_for_large_entries(&stream, &mut rights);
        if self.options.tickets {
            let (need, ticket) = (Need::For("nobody gets a ticket, and nobody gets in with one"), self.ticket());
            rights.push(right("+get ~$fanfare:*", need, &["GET", &ticket]));
            rights.push(right("+set ~$fanfare:*", need, &["SET", &ticket, "x", "NX", "XX"]));
        }
        if self.options.occupancy {
            self.wanted_for_occupancy(&mut rights);
        }
        if self.options.load_functions && self.has_functions {
            rights.push(right("+function|load", loads, &["FUNCTION", "LOAD", ""]));
            rights.push(right("+watch ~$fanfare:*", loads, &["WATCH", LIBRARY_KEY]));
            rights.push(right("+set ~$fanfare:*", loads, &["SET", LIBRARY_KEY, "x", "NX", "XX"]));
        }
        rights
    }

    /// The key of a ticket that nobody has.
    fn ticket(&self) -> String {
        self.options.keys().ticket(TicketName::of_digest([0; 32]))
    }

    fn probe(&self) -> String {
        format!("{}$probe:check", self.options.prefix)
    }

    /// Subscriptions are conversations, not single commands. Fails if the connection does.
    async fn subscriptions(&mut self, missing: &mut Vec<(Right, Lack)>) -> Result<(), Error> {
        let keyspace = format!("__keyspace@{}__:{}fanfare-check", self.database, self.options.prefix);
        let mut channels = vec![
            (format!("{}fanfare-check", self.options.prefix), "+subscribe +unsubscribe &sse:*", Need::All),
            (self.probe(), "+subscribe &sse:*", Need::For("a PING stands in for the probe")),
        ];
        if self.options.revocations {
            channels.push((self.own_log(), "+subscribe &$fanfare:*", Need::All));
        }
        if self.options.keyspace_notifications {
            let need = Need::For("a plain XADD is delivered within redis.reconcile_interval");
            channels.push((keyspace, "&__keyspace@*__:sse:*", need));
        }
        for (channel, rule, need) in channels {
            let subscribed = self.connection.subscribe(&channel).await.map_err(Error::from);
            let outcome = match subscribed {
                Ok(()) => self.connection.unsubscribe(&channel).await.map_err(Error::from),
                denied => denied,
            };
            let lack = match outcome.map_err(Lack::of) {
                Ok(()) => continue,
                Err(Ok(lack)) => lack,
                Err(Err(error)) if is_of_link(&error) => return Err(error),
                // A proxy in between may have words of its own for what it does not pass on.
                Err(Err(error)) => Lack::Denied(error.to_string()),
            };
            missing.push((Right { rule, need, words: vec!["SUBSCRIBE".into()] }, lack));
        }
        Ok(())
    }
}

/// Whether an error tells of the connection, and not of what was asked.
fn is_of_link(error: &Error) -> bool {
    matches!(error, Error::Link(_) | Error::Timeout(_))
}

/// Which kind of rule a denial asks for. Redis looks at the command first, then at its keys and channels, and says which of them it was. A
/// pattern that a user has already, as part of all, cannot be added to it.
fn kind_of_rule(reason: &str) -> char {
    match reason {
        reason if reason.contains("permissions to run the ") => '+',
        reason if reason.contains("channel") => '&',
        reason if reason.contains("key") => '~',
        _ => '+',
    }
}
