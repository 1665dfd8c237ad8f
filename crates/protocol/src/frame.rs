//! Entries and events encoded for the wire, once.

use crate::chunk;
use crate::gap::{GAP_EVENT, too_large_json};
use crate::lines;
use crate::{ChannelName, EntryId, Event};
use std::fmt;
use std::sync::Arc;

/// Bytes that the reference counts of an `Arc` add to its contents.
const ARC_COUNTS: usize = 2 * size_of::<usize>();

/// One event as every connection writes it: a chunk of an HTTP/1.1 body that holds one block of
/// an event stream. Cloning shares the bytes; connections on other transports, and streams of
/// several channels (whose `id:` is their own), take a part of it.
///
/// The `id` is the last line of the block. Many clients act on lines, not on blocks: where it came first, a connection
/// that breaks within the data would move their place past an event that they never got.
#[derive(Clone)]
pub struct Frame {
    /// `<hex size>\r\n`, `event: ..\n`, `data: ..\n`.., `id: ..\n`, `\n`, `\r\n`
    bytes: Arc<[u8]>,
    /// Bytes of the chunk's size line.
    header: u8,
    /// Bytes of the `id` line; 0 without one.
    id: u8,
    /// It stands in place of an entry that is too large.
    is_gap: bool,
}

impl Frame {
    /// The frame of an entry.
    #[must_use]
    pub fn entry(id: EntryId, event: &Event) -> Self {
        Self::of_event(Some(id), event)
    }

    /// The frame of an event that has no id: it moves no client's position.
    #[must_use]
    pub fn ephemeral(event: &Event) -> Self {
        Self::of_event(None, event)
    }

    /// The `$gap` that stands in place of an entry that is too large to deliver. It carries the
    /// entry's id, so the client goes on after it. `prev` is the entry's predecessor, as in
    /// [`crate::Entry`].
    #[must_use]
    pub fn too_large(channel: &ChannelName, id: EntryId, prev: Option<EntryId>) -> Self {
        let data = too_large_json(channel, id, prev);
        Self { is_gap: true, ..Self::encode(Some(id), Some(GAP_EVENT), &data) }
    }

    /// Whether it is a `$gap` ([`Frame::too_large`]).
    #[must_use]
    pub const fn is_gap(&self) -> bool {
        self.is_gap
    }

    /// The whole frame: one chunk of a chunked body.
    #[must_use]
    pub fn chunked(&self) -> &[u8] {
        &self.bytes
    }

    /// The block with its `id` line, without chunk framing.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.bytes[usize::from(self.header)..self.bytes.len() - chunk::END.len()]
    }

    /// The block without its `id` line, without the empty line that ends it, and without chunk framing.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        let block = self.plain();
        &block[..block.len() - usize::from(self.id) - b"\n".len()]
    }

    /// The data of the event, with LF between its lines: for the gateway's own logs, whose entries a node reads itself.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.fields().len());
        let mut is_first = true;
        for line in self.fields().split(|byte| *byte == b'\n') {
            let Some(line) = line.strip_prefix(b"data:") else { continue };
            if !std::mem::replace(&mut is_first, false) {
                data.push(b'\n');
            }
            data.extend_from_slice(line.strip_prefix(b" ").unwrap_or(line));
        }
        data
    }

    /// Bytes on the heap, shared by all clones.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        ARC_COUNTS + self.bytes.len()
    }

    fn of_event(id: Option<EntryId>, event: &Event) -> Self {
        let name = event.name.as_ref().map(crate::EventName::as_str);
        Self::encode(id, name, &lines::text(&event.data))
    }

    /// Measures, then writes into an allocation of exactly that size. `name` must hold no line
    /// break, which [`crate::EventName`] and the gateway's own names guarantee.
    fn encode(id: Option<EntryId>, name: Option<&str>, data: &str) -> Self {
        let mut block = 0;
        write_block(id, name, data, |piece| block += piece.len());
        let header = chunk::header(block);
        let total = header.len() + block + chunk::END.len();

        // Collecting an iterator of known length allocates once, and the new `Arc` is not shared.
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, total).collect();
        let mut rest = Arc::get_mut(&mut bytes).unwrap_or_default();
        let mut put = |piece: &[u8]| {
            let (here, after) = std::mem::take(&mut rest).split_at_mut(piece.len());
            here.copy_from_slice(piece);
            rest = after;
        };
        put(&header);
        write_block(id, name, data, &mut put);
        put(chunk::END);
        debug_assert!(rest.is_empty(), "measured and written sizes differ");

        Self {
            bytes,
            // At most 18 and 46 bytes: see `chunk::HEADER_MAX` and `EntryId::TEXT_MAX`.
            header: header.len() as u8,
            id: id.map_or(0, |id| ID_LINE + id.text_len()) as u8,
            is_gap: false,
        }
    }
}

/// Bytes of an `id` line around the id.
const ID_LINE: usize = "id: \n".len();

const _: () = assert!(ID_LINE + EntryId::TEXT_MAX <= u8::MAX as usize);
const _: () = assert!(chunk::HEADER_MAX <= u8::MAX as usize);

/// Calls `write` with the pieces of a block: the name if there is one, the data, the id if there is one, an empty line.
fn write_block(id: Option<EntryId>, name: Option<&str>, data: &str, mut write: impl FnMut(&[u8])) {
    if let Some(name) = name {
        write(b"event: ");
        write(name.as_bytes());
        write(b"\n");
    }
    lines::write_data(data, &mut write);
    if let Some(id) = id {
        write(b"id: ");
        id.write_to(&mut write);
        write(b"\n");
    }
    write(b"\n");
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?})", String::from_utf8_lossy(self.plain()))
    }
}
