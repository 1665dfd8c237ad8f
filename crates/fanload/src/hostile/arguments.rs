//! The command line of `fanload hostile`.

use std::path::PathBuf;

/// Which cases are run, how often, and how they are shown.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The program of the node [default: fanfare beside this program]
    #[arg(long, value_name = "FILE")]
    pub fanfare: Option<PathBuf>,
    /// A case, by name; may be repeated [default: all]
    #[arg(long = "case", value_name = "NAME")]
    pub cases: Vec<String>,
    /// How often each case is run, each time with a fresh node and a fresh Redis
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Smaller and shorter attacks: a few seconds each
    #[arg(long)]
    pub quick: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    /// A document whose section gets a table of the figures that have targets
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// The section: what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`
    #[arg(long, value_name = "NAME", default_value = "hostile")]
    pub section: String,
}
