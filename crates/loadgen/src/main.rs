//! `fanload`: load, latency and integrity of Fanfare from the command line.

fn main() -> anyhow::Result<()> {
    fanload::stage::Stage::new(true)?.check()
}
