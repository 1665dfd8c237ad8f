//! The library's read-only functions, written a second time from their documentation.

use bytes::Bytes;
use fanfare_protocol::EntryId;

use super::Server;
use super::commands::{entry, number, text, time};
use crate::redis::resp::Reply;
use crate::redis::store::{Fields, Stream};

impl Server {
    /// `keys` and then arguments, as in a call.
    pub(super) fn read_function(&mut self, function: &str, keys: &Bytes, rest: &[Bytes], now: u64) -> Reply {
        let (keys, arguments) = rest.split_at((number(keys).unwrap_or(0) as usize).min(rest.len()));
        let Some((epoch, streams)) = keys.split_last() else { return Reply::Error("ERR fanfare: no keys".into()) };
        let epoch = self.data.strings.get(&text(epoch)).map_or(Reply::Nil, |(value, _)| Reply::Bulk(value.clone()));
        let found: Vec<_> = streams.iter().map(|key| self.data.streams.get(&text(key))).collect();
        let summaries: Vec<_> =
            found.iter().map(|stream| stream.map_or(Reply::Nil, |stream| summary(stream, self.nature.old))).collect();
        let mut parts = vec![time(now), epoch];
        match (function, arguments) {
            ("sse_tips", []) => parts.push(Reply::Array(summaries)),
            ("sse_read", [from, bounds @ ..]) => {
                let start = if from == "-" { EntryId::ZERO } else { text(from).parse().expect("an id") };
                let entries = found[0].into_iter().flat_map(|stream| stream.from(start));
                let bounds = bounds_of(bounds);
                let tell = |(id, fields): &(EntryId, Fields)| told(*id, fields, bounds[2]);
                let (items, more) = cut(entries, &text(from), bounds[0], bounds[1], tell);
                self.asked[self.asking] += self.stock_bytes(&text(&streams[0]), &items);
                self.reads.note(&text(&streams[0]), from);
                let whole: usize =
                    found[0].map_or(0, |stream| stream.entries.iter().map(|(_, fields)| size(fields)).sum());
                let whole = Reply::Number(i64::try_from(whole).unwrap_or(i64::MAX));
                parts.extend(summaries.into_iter().chain([items, more, whole]));
            }
            ("sse_newest", [before, bounds @ ..]) => {
                let end = text(before).strip_prefix('(').map(|id| id.parse::<EntryId>().expect("an id"));
                let entries = found[0].map_or(&[][..], |stream| &stream.entries);
                let entries = entries.iter().rev().filter(|(id, _)| end.is_none_or(|end| *id < end));
                let bounds = bounds_of(bounds);
                let tell = |(id, fields): &(EntryId, Fields)| {
                    let size = Reply::Number(i64::try_from(size(fields)).unwrap_or(i64::MAX));
                    Reply::Array(vec![Reply::text(id), prev(fields).map_or(Reply::Nil, Reply::Bulk), size])
                };
                let (items, more) = cut(entries, "", bounds[0], bounds[1], tell);
                self.reads.note(&text(&streams[0]), before);
                parts.extend(summaries.into_iter().chain([items, more]));
            }
            _ => return Reply::Error("ERR Function not found".into()),
        }
        Reply::Array(parts)
    }

    /// Bytes of data in those entries that are of the stock.
    fn stock_bytes(&self, key: &str, items: &Reply) -> usize {
        let Reply::Array(entries) = items else { return 0 };
        let data = |entry: &Reply| {
            let Reply::Array(parts) = entry else { return 0 };
            let [Reply::Bulk(id), Reply::Array(fields), ..] = &parts[..] else { return 0 };
            let is_of_stock = text(id).parse().is_ok_and(|id| self.is_of_stock(key, id));
            // The first field of every entry.
            if let (Some(Reply::Bulk(data)), true) = (fields.get(1), is_of_stock) { data.len() } else { 0 }
        };
        entries.iter().map(data).sum()
    }
}

fn bounds_of(arguments: &[Bytes]) -> Vec<usize> {
    arguments.iter().map(|bound| number(bound).expect("a number") as usize).collect()
}

fn size(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn prev(fields: &Fields) -> Option<Bytes> {
    fields.last().filter(|(name, _)| name == "prev").map(|(_, value)| value.clone())
}

/// The last id, whether nothing was removed, the oldest entry and what it names, the sizes of both ends.
fn summary(stream: &Stream, old: bool) -> Reply {
    let (first, last) = (stream.entries.first(), stream.entries.last());
    let untouched = !old && usize::try_from(stream.added) == Ok(stream.entries.len());
    let size = |entry: Option<&(EntryId, Fields)>| {
        Reply::Number(entry.map_or(0, |(_, fields)| i64::try_from(size(fields)).unwrap_or(i64::MAX)))
    };
    Reply::Array(vec![
        Reply::text(stream.last),
        Reply::Number(i64::from(untouched)),
        first.map_or(Reply::Nil, |(id, _)| Reply::text(id)),
        first.and_then(|(_, fields)| prev(fields)).map_or(Reply::Nil, Reply::Bulk),
        size(first),
        size(last),
    ])
}

/// At most so many entries and bytes, but at least one entry; and whether there are more. The entry at `from` comes on top.
fn cut<'a>(
    entries: impl Iterator<Item = &'a (EntryId, Fields)>,
    from: &str,
    max_entries: usize,
    max_bytes: usize,
    tell: impl Fn(&(EntryId, Fields)) -> Reply,
) -> (Reply, Reply) {
    let (mut items, mut count, mut bytes) = (Vec::new(), 0, 0);
    for found @ (id, fields) in entries {
        if id.to_string() == from {
            items.push(Reply::Array(vec![Reply::text(id), Reply::Array(Vec::new())]));
            continue;
        }
        if count > 0 && (count >= max_entries || bytes + size(fields) > max_bytes) {
            return (Reply::Array(items), Reply::Number(1));
        }
        items.push(tell(found));
        count += 1;
        bytes += size(fields);
    }
    (Reply::Array(items), Reply::Number(0))
}

/// An entry, or without its data, but with the size of that, if it is over the limit.
fn told(id: EntryId, fields: &Fields, event_bytes: usize) -> Reply {
    let whole = entry(&(id, fields.clone()));
    let data = fields.iter().find(|(name, _)| name == "data").map(|(_, value)| value);
    let Some(data) = data.filter(|data| data.len() > event_bytes) else { return whole };
    let kept = fields.iter().filter(|(name, _)| name == "event" || name == "prev").cloned();
    let kept = [(Bytes::from_static(b"data"), Bytes::new())].into_iter().chain(kept).collect();
    let Reply::Array(mut parts) = entry(&(id, kept)) else { return whole };
    parts.push(Reply::Number(i64::try_from(data.len()).unwrap_or(i64::MAX)));
    Reply::Array(parts)
}
