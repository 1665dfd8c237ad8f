//! Every durable method by which an event gets into Redis.

/// How an event is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PublishMethod {
    Function,
    Script,
    Transaction,
    Plain,
    Deduplicated,
    Http,
}

impl PublishMethod {
    pub(crate) const ALL: [Self; 6] =
        [Self::Function, Self::Script, Self::Transaction, Self::Plain, Self::Deduplicated, Self::Http];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Function => "FCALL sse_publish",
            Self::Script => "EVALSHA of the script",
            Self::Transaction => "MULTI XADD PUBLISH",
            Self::Plain => "XADD with notifications",
            Self::Deduplicated => "FCALL with DEDUP, repeated",
            Self::Http => "POST through the balancer",
        }
    }

    /// Whether an attempt without an answer may be repeated.
    pub(crate) fn is_repeatable(self) -> bool {
        matches!(self, Self::Deduplicated | Self::Http)
    }

    /// Whether its entries name their predecessor.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::Plain | Self::Transaction)
    }
}
