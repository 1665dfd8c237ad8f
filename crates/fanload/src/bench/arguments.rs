//! The command line of `fanload bench`.

use std::path::PathBuf;

use super::cases::Size;
use crate::contender::Wire;

/// What is compared, how often, and where the tables go.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A contender, by name; may be repeated [default: fanfare and floor]
    #[arg(long = "contender", value_name = "NAME")]
    pub contenders: Vec<String>,
    /// Fanfare, the floor and all peers (see docs/peers.md)
    #[arg(long, conflicts_with = "contenders")]
    pub peers: bool,
    /// A case, by name; may be repeated [default: all]
    #[arg(long = "scenario", value_name = "NAME")]
    pub scenarios: Vec<String>,
    /// The cases over TLS instead: tls-fanout, tls-many and so on
    #[arg(long)]
    pub tls: bool,
    /// The cases over HTTP/2 instead, with --tls over both: h2-fanout, h2-tls-fanout and so on
    #[arg(long)]
    pub http2: bool,
    /// How often each contender runs each case [default: 5, or 2 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: Option<u32>,
    /// Smaller cases and two runs: a few minutes for everything
    #[arg(long)]
    pub quick: bool,
    /// The release build of fanfare [default: beside this program]
    #[arg(long, value_name = "FILE")]
    pub fanfare: Option<PathBuf>,
    /// One JSON object with every run on standard output, instead of tables
    #[arg(long)]
    pub json: bool,
    /// A document whose section gets the tables
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// The section: what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`
    #[arg(long, value_name = "NAME", default_value = "bench")]
    pub section: String,
}

impl Arguments {
    pub(super) fn size(&self) -> Size {
        if self.quick { Size::Quick } else { Size::Full }
    }

    pub(super) fn wire(&self) -> Wire {
        Wire { tls: self.tls, http2: self.http2 }
    }

    pub(super) fn rounds(&self) -> usize {
        self.runs.map_or(if self.quick { 2 } else { 5 }, |runs| runs as usize)
    }
}
