//! No files of a crate use each other in a circle, so that each can be read after those that it uses.
//!
//! A file is a module; it uses another when a path in it leads there. Tests, comments and the root of the crate are left
//! out. A declaration (`mod name;`) is no use, `pub use name::Item;` is one: a parent hands on what its children define,
//! and they take from each other's files what they need, not from the parent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths::{self, Names};

/// The directories of the crates that are checked.
const CRATES: &[&str] = &[
    "crates/protocol",
    "crates/log",
    "crates/auth",
    "crates/redis",
    "crates/server",
    "crates/gateway",
    "crates/oracle",
    "crates/sim",
    "crates/e2e",
    "crates/chaos",
    "xtask",
    "crates/fanload",
];

/// A module, as names from the root of its crate.
type Module = Vec<String>;

/// What a module uses, each with the path that leads there.
type Uses = BTreeMap<Module, String>;

/// Says every circle, one sentence each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let (mut problems, mut count) = (Vec::new(), 0);
    for krate in CRATES {
        let source = root.join(krate).join("src");
        let mut files = BTreeMap::new();
        collect(&source, &mut Vec::new(), &mut files)?;
        count += files.len();
        problems.extend(circles(&files).iter().map(|circle| format!("{krate}: {circle}")));
    }
    println!("circles: {count} files in {} crates", CRATES.len());
    Ok(problems)
}

/// Reads the files of the modules below a directory. What lies below `bin` is other crates.
fn collect(directory: &Path, here: &mut Module, files: &mut BTreeMap<Module, String>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let at_root = here.is_empty();
        here.push(stem.clone());
        if path.is_dir() {
            if !(at_root && stem == "bin") {
                collect(&path, here, files)?;
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") && !(at_root && (stem == "lib" || stem == "main")) {
            let module = if stem == "mod" { &here[..here.len() - 1] } else { &here[..] };
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            files.insert(module.to_vec(), text);
        }
        here.pop();
    }
    Ok(())
}

/// The circles among the files of one crate.
fn circles(files: &BTreeMap<Module, String>) -> Vec<String> {
    let graph = graph(files);
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = graph.keys().map(|from| (from, reach(&graph, from))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for (from, reach) in &reached {
        let tied: Vec<&Module> = reach.iter().copied().filter(|other| reached[other].contains(from)).collect();
        if !tied.is_empty() && told.insert(tied.clone()) {
            found.push(sentence(&graph, &tied));
        }
    }
    found
}

/// What each module uses, but for modules of tests.
fn graph(files: &BTreeMap<Module, String>) -> BTreeMap<Module, Uses> {
    let names: BTreeMap<&Module, Names<'_>> = files.iter().map(|(module, text)| (module, paths::names(text))).collect();
    let tests: BTreeSet<Module> =
        names.iter().flat_map(|(module, names)| names.test_modules.iter().map(|below| join(module, below))).collect();
    let is_test = |module: &Module| (1..=module.len()).any(|length| tests.contains(&module[..length]));
    let uses = |(module, names): (&&Module, &Names<'_>)| ((*module).clone(), uses(files, module, names));
    names.iter().filter(|(module, _)| !is_test(module)).map(uses).collect()
}

fn join(module: &[String], below: &[&str]) -> Module {
    module.iter().map(String::as_str).chain(below.iter().copied()).map(str::to_owned).collect()
}

/// The other modules that the paths of a module lead to.
fn uses(files: &BTreeMap<Module, String>, module: &Module, names: &Names<'_>) -> Uses {
    let mut aliases = BTreeMap::new();
    for path in &names.paths {
        if let (Some(alias), Some(full)) = (path.alias, resolve(files, &BTreeMap::new(), module, path)) {
            aliases.insert(alias, full);
        }
    }
    let mut uses = Uses::new();
    for path in &names.paths {
        let Some(full) = resolve(files, &aliases, module, path) else { continue };
        // The last names are those of an item, or of a module within a file.
        let target = (1..=full.len()).rev().map(|length| &full[..length]).find(|&part| files.contains_key(part));
        if let Some(target) = target.filter(|target| target != module) {
            uses.entry(target.to_vec()).or_insert_with(|| path.names.join("::"));
        }
    }
    uses
}

/// The path from the root of the crate; `None` when it leads out of the crate.
fn resolve(
    files: &BTreeMap<Module, String>,
    aliases: &BTreeMap<&str, Module>,
    module: &[String],
    path: &paths::Path<'_>,
) -> Option<Module> {
    let mut base = join(module, &path.within);
    let (first, mut rest) = path.names.split_first()?;
    match *first {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
        }
        name => {
            let child = join(&base, &[name]);
            base = if files.contains_key(&child) { child } else { aliases.get(name)?.clone() };
        }
    }
    while let Some(("super", below)) = rest.split_first().map(|(name, below)| (*name, below)) {
        base.pop();
        rest = below;
    }
    Some(join(&base, rest))
}

/// Everything that a module uses, and what that uses.
fn reach<'a>(graph: &'a BTreeMap<Module, Uses>, from: &Module) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = graph[from].keys().collect();
    while let Some(module) = next.pop() {
        if let Some(uses) = graph.get(module)
            && reached.insert(module)
        {
            next.extend(uses.keys());
        }
    }
    reached
}

/// The shortest way from a module back to it.
fn shortest<'a>(graph: &'a BTreeMap<Module, Uses>, from: &'a Module) -> Option<Vec<&'a Module>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| graph.get(*last)).into_iter().flat_map(Uses::keys) {
            let longer = [&way[..], &[next]].concat();
            if next == from {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// Names the shortest circle among modules that are tied by circles, then the rest of them, and says the cure.
fn sentence(graph: &BTreeMap<Module, Uses>, tied: &[&Module]) -> String {
    let name = |module: &Module| module.join("::");
    let ways = tied.iter().filter_map(|module| shortest(graph, module));
    let way = ways.min_by_key(Vec::len).unwrap_or_default();
    let steps = way.windows(2).map(|step| {
        let (from, to) = (step[0], step[1]);
        format!("{} uses {} (`{}`)", name(from), name(to), graph[from][to])
    });
    let circle = steps.collect::<Vec<_>>().join(", ");
    let others: Vec<_> = tied.iter().filter(|module| !way.contains(module)).map(|module| name(module)).collect();
    let others = if others.is_empty() { String::new() } else { format!("; tied to them: {}", others.join(", ")) };
    format!(
        "files use each other in a circle: {circle}{others}; move what they share to a file of its own that all of them use"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let module = |name: &str| name.split("::").map(str::to_owned).collect();
        circles(&files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect())
    }

    #[test]
    fn a_parent_that_its_children_use_is_in_a_circle_with_them() {
        let parent = "mod push; mod probe; use push::Receiver; struct Options; fn run() { probe::run() }";
        let problems =
            found(&[("feed", parent), ("feed::push", "use super::Options;"), ("feed::probe", "use super::Options;")]);
        assert_eq!(
            problems,
            [
                "files use each other in a circle: feed uses feed::probe (`probe::run`), feed::probe uses feed (`super::Options`); \
             tied to them: feed::push; move what they share to a file of its own that all of them use"
            ]
        );
    }

    #[test]
    fn a_file_of_its_own_that_both_use_unties_it() {
        let parent = "mod options; mod push; pub use options::Options; use push::Receiver;";
        assert!(
            found(&[("feed", parent), ("feed::push", "use super::options::Options;"), ("feed::options", "")])
                .is_empty()
        );
    }

    #[test]
    fn a_parent_that_only_declares_its_children_may_be_used_by_them() {
        assert!(found(&[("a", "pub mod b; struct C;"), ("a::b", "use super::C; use crate::D;")]).is_empty());
    }

    #[test]
    fn a_circle_may_go_through_several_files_and_each_is_told_once() {
        let files = [
            ("a", "use crate::b::B;"),
            ("b", "crate::c::d()"),
            ("c", "use crate::{a::A, d::D};"),
            ("d", ""),
            ("e", "use crate::a::A;"),
        ];
        let problems = found(&files);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("a uses b (`crate::b::B`), b uses c (`crate::c::d`), c uses a (`crate::a::A`); move"),
            "{problems:?}"
        );
    }

    #[test]
    fn two_circles_are_two_problems() {
        let files = [("a", "crate::b::x"), ("b", "super::a::x"), ("c", "crate::d::x"), ("d", "use super::c;")];
        assert_eq!(found(&files).len(), 2);
    }

    #[test]
    fn a_module_that_was_imported_is_followed_by_its_name_and_by_its_alias() {
        let siblings = "use super::{b, b::c as d}; fn e() { b::f(); d::g() }";
        assert_eq!(found(&[("a", siblings), ("b", ""), ("b::c", "use crate::a::X;")]).len(), 1);
        assert_eq!(found(&[("a", "use crate::b; fn c() { b::d::e() }"), ("b", ""), ("b::d", "crate::a::f")]).len(), 1);
    }

    #[test]
    fn names_of_other_crates_are_no_files() {
        assert!(
            found(&[("redis", "use config::Value;"), ("config", "use crate::redis::X; use ::redis::Y;")]).is_empty()
        );
    }

    #[test]
    fn super_counts_from_the_module_within_the_file() {
        assert!(
            found(&[("a", "mod b { use super::C; } use d::E;"), ("a::d", ""), ("c", "use crate::a::b::F;")]).is_empty()
        );
        let grandchild = "use super::super::X;";
        assert_eq!(found(&[("a", "b::c::d()"), ("a::b", ""), ("a::b::c", grandchild)]).len(), 1);
    }

    #[test]
    fn tests_and_comments_tie_nothing() {
        let text = "//! See [`b`](crate::b).\n#[cfg(test)] mod tests; #[cfg(test)] mod model { use crate::b::X; }";
        let files = [
            ("a", text),
            ("a::tests", "use crate::b::Y;"),
            ("a::tests::c", "use crate::b::Z;"),
            ("b", "use crate::a::W;"),
        ];
        assert!(found(&files).is_empty());
    }

    #[test]
    fn the_crates_as_they_stand_have_no_circles() {
        assert_eq!(check(&crate::root()).expect("sources"), Vec::<String>::new());
    }
}
