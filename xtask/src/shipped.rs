//! That what is shipped holds no scaffolding of tests.
//!
//! Crates of the workspace keep it behind the feature `testing`. Cargo unites the features of everything that one command
//! builds, so two things are needed: no ordinary dependency of a shipped package may turn the feature on, which is checked
//! here, and shipped binaries are built with `-p` of their own package alone, never with the whole workspace.

/// The packages whose binaries are shipped, or measured against what is shipped.
pub(crate) const SHIPPED: &[&str] = &["fanfare", "fanload"];

/// The feature.
const FEATURE: &str = "testing";

/// How `cargo tree` is to print a package for [`check`]: its name, its version and where it is, its features.
pub(crate) const FORMAT: &str = "{p}|{f}";

/// Says every crate of ours that has the feature, given the output of `cargo tree` for packages that are shipped.
pub(crate) fn check(tree: &str) -> Vec<String> {
    let mut problems: Vec<_> = tree.lines().filter_map(scaffolding).collect();
    problems.sort();
    problems.dedup();
    problems
}

/// A package that comes more than once has ` (*)` behind it from the second time on.
fn scaffolding(line: &str) -> Option<String> {
    let (package, features) = line.trim_end_matches(" (*)").split_once('|')?;
    let name = package.split_whitespace().next()?;
    // Only a crate of the workspace is shown with its folder.
    let is_ours = package.ends_with(')') && package.contains(" (/");
    let has_it = features.split(',').any(|feature| feature == FEATURE);
    (is_ours && has_it).then(|| {
        format!("{name} is built with the feature `{FEATURE}` into {}: only tests may turn it on", SHIPPED.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_ours_with_the_feature_is_named_once() {
        let tree = "fanfare v0.1.0 (/src/crates/gateway)|\n\
                    fanfare-log v0.1.0 (/src/crates/log)|default,testing\n\
                    other v1.0.0|testing\n\
                    fanfare-log v0.1.0 (/src/crates/log)|default,testing (*)\n";
        let problems = check(tree);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("fanfare-log is built with the feature `testing`"), "{problems:?}");
    }

    #[test]
    fn what_is_shipped_as_it_stands_has_no_scaffolding_and_the_simulation_has() {
        let tree = |packages: &[&str]| crate::cargo_tree(&crate::root(), packages).expect("cargo tree");
        let shipped = tree(SHIPPED);
        assert!(shipped.contains("fanfare-server") && shipped.contains("fanload"), "{shipped}");
        assert_eq!(check(&shipped), Vec::<String>::new());
        let simulation = check(&tree(&["fanfare-sim"]));
        assert!(simulation.iter().any(|problem| problem.starts_with("fanfare-server ")), "{simulation:?}");
    }
}
