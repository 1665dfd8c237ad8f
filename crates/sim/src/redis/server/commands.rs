//! What each command does. The publishing function is written a second time here, from its documentation.

use bytes::Bytes;
use fanfare_protocol::{Entry, EntryId, Event, EventName, encode_push, limits};

use super::{FULL, Server};
use crate::OWN_LOG;
use crate::redis::resp::{Command, Reply};
use crate::redis::store::{Fields, Stream};
use crate::ticket_record;

/// How long a ticket lives at most, as nodes are told.
const TICKET_LIVES_MS: u64 = limits::TOKEN_LIFETIME_MIN.as_secs() * 1_000;

/// What the keys of the lives of nodes begin with.
const LIFE: &str = "$fanfare:{sse:}:node:";

pub(super) fn text(argument: &Bytes) -> String {
    String::from_utf8_lossy(argument).into_owned()
}

pub(super) fn number(argument: &Bytes) -> Option<u64> {
    text(argument).parse().ok()
}

/// The value that follows an option's name.
fn option<'a>(arguments: &'a [Bytes], name: &str) -> Option<&'a Bytes> {
    let at = arguments.iter().position(|argument| argument.eq_ignore_ascii_case(name.as_bytes()))?;
    arguments.get(at + 1)
}

pub(super) fn time(now_ms: u64) -> Reply {
    Reply::Array(vec![Reply::text(now_ms / 1000), Reply::text(now_ms % 1000 * 1000)])
}

pub(super) fn entry((id, fields): &(EntryId, Fields)) -> Reply {
    let fields = fields.iter().flat_map(|(name, value)| [Reply::Bulk(name.clone()), Reply::Bulk(value.clone())]);
    Reply::Array(vec![Reply::text(id), Reply::Array(fields.collect())])
}

/// Whether a command may take more memory. Of scripts those do that publish.
fn takes_memory(name: &str, arguments: &[Bytes]) -> bool {
    let only_reads = || arguments.iter().any(|argument| argument.starts_with(b"sse_") && argument != "sse_publish");
    match name {
        "XADD" | "SET" | "HSET" => true,
        "EVAL" | "EVALSHA" | "FCALL" => !only_reads(),
        _ => false,
    }
}

impl Server {
    /// Runs one command that belongs to no connection's state.
    pub(crate) fn run(&mut self, command: &[Bytes]) -> Reply {
        let now = self.now_ms();
        self.data.expire(now, &self.record);
        let name = text(&command[0]).to_ascii_uppercase();
        let arguments = &command[1..];
        if self.is_full && takes_memory(&name, arguments) {
            return Reply::Error(FULL.into());
        }
        match (name.as_str(), arguments) {
            ("TIME", _) => time(now),
            ("PING", [message]) => Reply::Bulk(message.clone()),
            ("PING", _) => Reply::Status("PONG".into()),
            ("GET", [key]) => {
                self.data.strings.get(&text(key)).map_or(Reply::Nil, |(value, _)| Reply::Bulk(value.clone()))
            }
            ("SET", [key, value, options @ ..]) => self.set(&text(key), value, options, now),
            ("HSET", [key, field, value]) => self.data.hashes.set(&text(key), field, value),
            ("HDEL", [key, field]) => self.data.hashes.delete(&text(key), field),
            ("HGETALL", [key]) => self.data.hashes.all(&text(key)),
            ("PEXPIRE", [key, time]) => self.expire_in(&text(key), number(time).expect("a time"), now),
            ("INFO", [section]) => Reply::text(self.info(&text(section))),
            ("CONFIG", [_, parameter]) => Reply::Map(vec![(
                Reply::Bulk(parameter.clone()),
                Reply::text(if self.nature.keyspace { "Kt" } else { "" }),
            )]),
            ("XINFO", [_, key]) => self
                .data
                .streams
                .get(&text(key))
                .map_or_else(|| Reply::Error("ERR no such key".into()), |stream| stream_info(stream, self.nature.old)),
            ("PTTL", [key]) => self.left_to_live(&text(key), now),
            ("XRANGE", [key, start, _, _, count]) => self.range(&text(key), start, number(count)),
            ("XREVRANGE", [key, end, _, _, count]) => self.reverse_range(&text(key), end, number(count)),
            ("XADD", [key, rest @ ..]) => self.add(&text(key), rest, now),
            ("PUBLISH", [channel, message]) => self.publish(channel, message),
            ("FUNCTION", _) if self.nature.old => Reply::Error("ERR unknown command 'FUNCTION'".into()),
            ("FUNCTION", _) => {
                self.data.library = true;
                Reply::text("fanfare")
            }
            ("FCALL" | "FCALL_RO", _) if self.nature.old => Reply::Error(format!("ERR unknown command '{name}'")),
            ("FCALL" | "FCALL_RO", _) if !self.data.library => Reply::Error("ERR Function not found".into()),
            ("FCALL_RO", [function, _]) if function == "sse_version" => {
                Reply::Number(i64::try_from(fanfare_redis::VERSION).unwrap_or(0))
            }
            ("FCALL_RO", [function, count, rest @ ..]) => self.read_function(&text(function), count, rest, now),
            ("EVALSHA", _) if !self.script => Reply::Error("NOSCRIPT No matching script.".into()),
            ("FCALL" | "EVAL" | "EVALSHA", [_, count, rest @ ..]) => {
                self.script |= name == "EVAL";
                let keys = number(count).unwrap_or(0) as usize;
                let function = rest.get(keys).map(text).filter(|function| function.starts_with("sse_"));
                match (function, rest) {
                    (Some(function), _) => {
                        let mut arguments = rest.to_vec();
                        arguments.remove(keys);
                        self.read_function(&function, count, &arguments, now)
                    }
                    (None, [key, rest @ ..]) => self.publish_event(&text(key), rest, now),
                    (None, []) => Reply::Error("ERR fanfare: exactly one key is expected, the stream".into()),
                }
            }
            _ => Reply::Error(format!("ERR unknown command '{name}'")),
        }
    }

    fn set(&mut self, key: &str, value: &Bytes, options: &[Bytes], now: u64) -> Reply {
        if options.iter().any(|option| option == "NX") && self.data.strings.contains_key(key) {
            return Reply::Nil;
        }
        if options.iter().any(|option| option == "XX") && !self.data.strings.contains_key(key) {
            return Reply::Nil;
        }
        let of_seconds = option(options, "EX").and_then(number).map(|seconds| seconds * 1000);
        let lives = of_seconds.or_else(|| option(options, "PX").and_then(number));
        self.data.strings.insert(key.to_owned(), (value.clone(), lives.map(|lives| now + lives)));
        if ticket_record::is_key(key) {
            self.tickets.store(key, value, TICKET_LIVES_MS);
        } else if !key.starts_with(LIFE) {
            self.data.sets += 1;
        }
        Reply::Ok
    }

    /// `PEXPIRE` of a text or a hash. No time at all removes it.
    fn expire_in(&mut self, key: &str, time_ms: u64, now: u64) -> Reply {
        let text = self.data.strings.get_mut(key).map(|(_, expires)| *expires = Some(now + time_ms));
        let is_there = text.is_some() || self.data.hashes.expire_at(key, now + time_ms);
        self.data.expire(now, &self.record);
        Reply::Number(i64::from(is_there))
    }

    /// `PTTL` of a stream.
    fn left_to_live(&self, key: &str, now: u64) -> Reply {
        let left = |expires: u64| i64::try_from(expires.saturating_sub(now)).unwrap_or(i64::MAX);
        Reply::Number(self.data.streams.get(key).map_or(-2, |stream| stream.expires.map_or(-1, left)))
    }

    fn info(&self, section: &str) -> String {
        match section {
            "memory" => self.nature.eviction.info(),
            _ => format!("# Server\r\nredis_version:{}\r\n", if self.nature.old { "6.2.0" } else { "7.0.15" }),
        }
    }

    fn range(&mut self, key: &str, start: &Bytes, count: Option<u64>) -> Reply {
        self.reads.note(key, start);
        let start: EntryId = if start == "-" { EntryId::ZERO } else { text(start).parse().expect("an id") };
        let count = count.map_or(usize::MAX, |count| count as usize);
        let entries: Vec<_> =
            self.data.streams.get(key).into_iter().flat_map(|stream| stream.from(start)).take(count).collect();
        let asked = self.data_of_stock(key, entries.iter().copied());
        self.asked[self.asking] += asked;
        Reply::Array(entries.into_iter().map(entry).collect())
    }

    fn reverse_range(&mut self, key: &str, end: &Bytes, count: Option<u64>) -> Reply {
        self.reads.note(key, end);
        let end = text(end);
        let before: Option<EntryId> = end.strip_prefix('(').map(|id| id.parse().expect("an id"));
        assert!(before.is_some() || end == "+", "a range that nobody asks for: {end}");
        let count = count.map_or(usize::MAX, |count| count as usize);
        let entries = self.data.streams.get(key).map_or(&[][..], |stream| &stream.entries);
        let wanted = entries.iter().rev().filter(|(id, _)| before.is_none_or(|before| *id < before)).take(count);
        let asked = self.data_of_stock(key, wanted.clone());
        self.asked[self.asking] += asked;
        Reply::Array(wanted.map(entry).collect())
    }

    /// Bytes of the data of those entries that are of the stock.
    fn data_of_stock<'a>(&self, key: &str, entries: impl Iterator<Item = &'a (EntryId, Fields)>) -> usize {
        let data = |fields: &Fields| fields.iter().find(|(name, _)| name == "data").map_or(0, |(_, data)| data.len());
        entries.filter(|(id, _)| self.is_of_stock(key, *id)).map(|(_, fields)| data(fields)).sum()
    }

    /// `XADD key [MAXLEN ~ n] * field value …`, and of a log of the gateway's own `XADD key MINID ~|= ms * field value`
    fn add(&mut self, key: &str, rest: &[Bytes], now: u64) -> Reply {
        let star = rest.iter().position(|argument| argument == "*").expect("ids are made by the server");
        let fields: Fields = rest[star + 1..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        if key == OWN_LOG {
            let (is_exact, oldest_ms) = (rest[1] == "=", number(&rest[2]).expect("a time"));
            return self.revoke(fields, is_exact, oldest_ms, now);
        }
        let id = self.append(key, fields, option(&rest[..star], "~").and_then(number), now);
        Reply::text(id)
    }

    /// Appends to the log of revocations, and trims it: as Redis does, which drops whole blocks of entries, only now and then if that need
    /// not be exact.
    fn revoke(&mut self, fields: Fields, is_exact: bool, oldest_ms: u64, now: u64) -> Reply {
        let data = fields[0].1.clone();
        let id = self.append(OWN_LOG, fields, None, now);
        self.revoked.store(id, &data);
        if is_exact || self.apart.chance(300) {
            let keep = self.data.streams[OWN_LOG].from(EntryId { ms: oldest_ms, seq: 0 }).count();
            self.data.trim(OWN_LOG, keep, &self.record);
            self.look_at_own_log();
        }
        Reply::text(id)
    }

    fn append(&mut self, key: &str, fields: Fields, max_len: Option<u64>, now: u64) -> EntryId {
        let id = self.data.add(key, fields, now, self.nature.event_bytes, &self.record);
        if let Some(keep) = max_len {
            // Approximately: Redis trims whole blocks of entries.
            let length = self.data.streams[key].entries.len();
            if length > keep as usize + self.rng.below(8) {
                self.data.trim(key, keep as usize, &self.record);
            }
        }
        if self.nature.keyspace {
            let channel = Bytes::from(format!("__keyspace@0__:{key}"));
            self.publish(&channel, &Bytes::from_static(b"xadd"));
        }
        id
    }

    /// `sse_publish`.
    fn publish_event(&mut self, key: &str, options: &[Bytes], now: u64) -> Reply {
        let data = option(options, "DATA").expect("the node sends data").clone();
        let remembered = option(options, "DEDUP").map(|dedup| format!("$dedup:{{{key}}}:{}", text(dedup)));
        if let Some((first, _)) = remembered.as_ref().and_then(|key| self.data.strings.get(key)) {
            return Reply::Status(text(first));
        }
        let prev = self.data.streams.get(key).map_or(EntryId::ZERO, |stream| stream.last);
        let name = option(options, "EVENT");
        let mut fields = vec![(Bytes::from_static(b"data"), data.clone())];
        fields.extend(name.map(|name| (Bytes::from_static(b"event"), name.clone())));
        fields.push((Bytes::from_static(b"prev"), Bytes::from(prev.to_string())));
        let id = self.append(key, fields, option(options, "MAXLEN").and_then(number).or(Some(10_000)), now);
        let lifetime = option(options, "TTL").and_then(number).map(|seconds| now + seconds.max(60) * 1000);
        let ends_permanence = option(options, "EXPIRES").is_some_and(|value| value == "1");
        if let Some(stream) = self.data.streams.get_mut(key) {
            stream.expires = match (lifetime, stream.expires) {
                (Some(new), Some(old)) => Some(new.max(old)),
                // What lives for ever goes on doing so, unless it was created just now.
                (Some(_), None) if prev != EntryId::ZERO && !ends_permanence => None,
                (lifetime, _) => lifetime,
            };
        }
        if let Some(remembered) = remembered {
            self.set(&remembered, &Bytes::from(id.to_string()), &["EX".into(), "600".into()], now);
        }
        let name = name.map(|name| EventName::parse(&text(name)).expect("a valid name"));
        // Large data is announced and not pushed.
        let push = match data.len() > limits::PUSHED_DATA_BYTES_MAX {
            true => Vec::new(),
            false => encode_push(&Entry { id, prev: Some(prev), event: Event { name, data } }),
        };
        self.publish(&Bytes::from(key.to_owned()), &Bytes::from(push));
        Reply::text(id)
    }

    /// Runs commands one after the other without anything in between.
    pub(super) fn transaction(&mut self, commands: &[Command]) -> Reply {
        Reply::Array(commands.iter().map(|command| self.run(command)).collect())
    }
}

/// `XINFO STREAM`; before Redis 7 without `entries-added`.
fn stream_info(stream: &Stream, old: bool) -> Reply {
    let of = |found: Option<&(EntryId, Fields)>| found.map_or(Reply::Nil, entry);
    let mut pairs = vec![
        (Reply::text("length"), Reply::Number(i64::try_from(stream.entries.len()).unwrap_or(i64::MAX))),
        (Reply::text("last-generated-id"), Reply::text(stream.last)),
        (Reply::text("first-entry"), of(stream.entries.first())),
        (Reply::text("last-entry"), of(stream.entries.last())),
    ];
    if !old {
        pairs.push((Reply::text("entries-added"), Reply::Number(stream.added)));
    }
    Reply::Map(pairs)
}
