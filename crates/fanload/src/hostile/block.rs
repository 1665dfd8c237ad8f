//! Blocks of an event stream.

use crate::wire::stream::Lines;

/// What stands between two blank lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// The position.
    pub(super) id: Option<String>,
    /// The event's name, where it has one.
    pub(super) name: Option<String>,
    /// The first bytes of its data.
    pub(super) start: Vec<u8>,
    /// Bytes of its data; `None` when it has none.
    pub(super) bytes: Option<usize>,
}

/// Gathers lines to blocks. Comments are left out.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    block: Block,
    whole: Vec<Block>,
}

impl Block {
    /// Whether it is an event of a publisher: it has data and is none of the gateway's own.
    pub(super) fn is_event(&self) -> bool {
        self.bytes.is_some() && !self.is_own()
    }

    /// Whether the gateway says that something is missing.
    pub(super) fn is_gap(&self) -> bool {
        self.name.as_deref() == Some("$gap")
    }

    fn is_own(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.starts_with('$'))
    }
}

impl Blocks {
    /// The blocks that are whole.
    pub(super) fn take(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.whole)
    }
}

impl Lines for Blocks {
    fn data(&mut self, start: &[u8], length: usize) {
        if self.block.start.is_empty() {
            self.block.start = start.to_vec();
        }
        self.block.bytes = Some(self.block.bytes.unwrap_or(0) + length);
    }

    fn event(&mut self, name: &[u8]) {
        self.block.name = Some(String::from_utf8_lossy(name).into_owned());
    }

    fn id(&mut self, id: &[u8]) {
        self.block.id = Some(String::from_utf8_lossy(id).into_owned());
    }

    fn retry(&mut self, _milliseconds: u64) {}

    fn comment(&mut self) {}

    fn blank(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block != Block::default() {
            self.whole.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::stream::Parser;

    // Seen to fail when a block of the gateway counts as an event.
    #[test]
    fn events_are_told_from_what_the_gateway_says_itself() {
        let (mut parser, mut blocks) = (Parser::new(64), Blocks::default());
        parser.feed(
            b"retry: 5\nid: 1-0\n\n: hi\n\nevent: $gap\ndata: {}\n\nid: 2-0\ndata: hello\n\ndata: last\nid: 3-0\n\ndata: cut",
            &mut blocks,
        );
        let blocks = blocks.take();
        assert_eq!(blocks.len(), 4, "{blocks:?}");
        assert_eq!((blocks[0].id.as_deref(), blocks[0].is_event()), (Some("1-0"), false));
        assert!(blocks[1].is_gap() && !blocks[1].is_event());
        assert_eq!((blocks[2].is_event(), blocks[2].bytes, blocks[2].id.as_deref()), (true, Some(5), Some("2-0")));
        assert_eq!((blocks[3].is_event(), blocks[3].bytes, blocks[3].id.as_deref()), (true, Some(4), Some("3-0")));
    }
}
