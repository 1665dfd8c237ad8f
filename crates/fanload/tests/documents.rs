//! What documents tell their readers to type is understood.

#[path = "../../../xtask/src/documents.rs"]
#[allow(dead_code, reason = "xtask uses the rest")]
mod documents;
#[path = "../../../xtask/src/usage.rs"]
mod usage;

use std::path::Path;

#[test]
fn every_command_of_the_documents_has_subcommands_and_options_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let problems = usage::check(&root, "fanload", Path::new(env!("CARGO_BIN_EXE_fanload"))).expect("documents");
    assert_eq!(problems, Vec::<String>::new());
}
