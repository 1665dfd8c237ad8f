//! Every relative link and image in a Markdown file leads somewhere, every path of the repository that it names exists, and every image has a
//! text for those who do not see it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::documents::{documents, prose_lines, spans};

/// Checks every `*.md` file below `root`; one sentence for each link that leads nowhere.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let files = documents(root)?;
    let mut problems = Vec::new();
    let mut count = 0;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root).unwrap_or(file).display();
        for target in targets(&text) {
            count += 1;
            if let Some(why) = broken(file, &text, &target) {
                problems.push(format!("{name}: the link {target} leads nowhere: {why}"));
            }
        }
        for path in paths(&text) {
            count += 1;
            if !root.join(path).exists() {
                problems.push(format!("{name}: names {path}, which does not exist"));
            }
        }
        problems.extend(silent_images(&text).iter().map(|image| format!("{name}: {image} has no alternative text")));
    }
    println!("links: {count} in {} documents", files.len());
    Ok(problems)
}

/// The link targets of a document that stay inside the repository, code left out.
fn targets(text: &str) -> Vec<String> {
    let prose = without_code(text);
    let markdown = prose.split("](").skip(1).filter_map(|rest| rest.split_once([')', ' ', '\n']));
    let is_ours = |target: &&str| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
    markdown
        .map(|(target, _)| target)
        .chain(values(&prose, "src"))
        .chain(values(&prose, "srcset"))
        .filter(is_ours)
        .map(ToOwned::to_owned)
        .collect()
}

/// The values that an attribute has in the HTML of a text.
fn values<'a>(text: &'a str, attribute: &str) -> Vec<&'a str> {
    text.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

/// The images, of Markdown or of HTML, that nothing describes.
fn silent_images(text: &str) -> Vec<String> {
    let prose = without_code(text);
    let markdown = prose.split("![](").skip(1).filter_map(|rest| Some(format!("![]({})", rest.split_once(')')?.0)));
    let html = prose.split("<img").skip(1).filter_map(|rest| Some(rest.split_once('>')?.0));
    let is_silent = |tag: &&str| values(tag, "alt").iter().all(|alt| alt.trim().is_empty());
    markdown.chain(html.filter(is_silent).map(|tag| format!("<img{tag}>"))).collect()
}

/// The paths from the root of the repository that stand in `code spans`: the span itself, or a word of a command. What is copied makes its target.
fn paths(text: &str) -> Vec<&str> {
    const ROOTS: &[&str] = &["crates/", "xtask/", "scripts/", "deploy/", "docs/", "loadtest/", "examples/", "clients/"];
    let words = spans(text).filter(|span| !span.starts_with("cp ")).flat_map(|span| span.split(' '));
    words.filter(|word| ROOTS.iter().any(|root| word.starts_with(root)) && !word.contains(['*', '…'])).collect()
}

/// The document with fenced blocks and `code spans` blanked out.
fn without_code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in prose_lines(text) {
        out.extend(line.split('`').step_by(2));
        out.push('\n');
    }
    out
}

/// Why a link leads nowhere, if it does not lead anywhere.
fn broken(file: &Path, text: &str, target: &str) -> Option<String> {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let directory = file.parent().unwrap_or(file);
    let full = if path.is_empty() { file.to_path_buf() } else { directory.join(path) };
    if !full.exists() {
        return Some("no such file".to_owned());
    }
    let anchor = anchor.filter(|_| full.extension().is_some_and(|kind| kind == "md"))?;
    let other;
    let text = if path.is_empty() {
        text
    } else {
        other = fs::read_to_string(&full).unwrap_or_default();
        &other
    };
    (!anchors(text).contains(anchor)).then(|| "no such heading".to_owned())
}

/// The anchors that GitHub makes of a document's headings (without those of repeated headings).
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let anchor = title
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        found.insert(anchor);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_code_are_not_links() {
        let text = "[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n[g](https://example.org) [h](#there)";
        assert_eq!(targets(text), ["b.md", "#there"]);
    }

    #[test]
    fn images_of_html_are_links_and_need_a_text() {
        let text = "<source srcset=\"dark.webp\">\n<img alt=\"A page\" src=\"light.webp\">\n`<img src=\"code.webp\">`";
        assert_eq!(targets(text), ["light.webp", "dark.webp"]);
        assert_eq!(silent_images(text), Vec::<String>::new());
        let silent = silent_images("![](a.webp) ![b](b.webp) <img alt=\" \" src=\"c.webp\"> <img src=\"d.webp\">");
        assert_eq!(silent, ["![](a.webp)", "<img alt=\" \" src=\"c.webp\">", "<img src=\"d.webp\">"]);
    }

    #[test]
    fn paths_in_prose_are_checked_also_those_of_commands() {
        let text = "see `crates/log/src` and `sh docs/x.sh --flag`\n```\n`crates/none`\n```\n`docs/*.md` `other/x`";
        assert_eq!(paths(text), ["crates/log/src", "docs/x.sh"]);
    }

    #[test]
    fn headings_become_the_anchors_that_github_makes() {
        let found = anchors("# How it works\n## `fanfare serve`, and more\n```\n# not one\n```\n");
        let expected = ["how-it-works", "fanfare-serve-and-more"].map(str::to_owned);
        assert_eq!(found, BTreeSet::from(expected));
    }

    #[test]
    fn a_link_to_a_missing_file_or_heading_is_a_problem() {
        let here = crate::root().join("CHANGELOG.md");
        assert!(broken(&here, "", "nowhere.md").is_some());
        assert!(broken(&here, "", "xtask/src/main.rs").is_none());
        assert!(broken(&here, "# One", "#two").is_some());
        assert!(broken(&here, "# One", "#one").is_none());
    }

    #[test]
    fn every_link_of_the_documents_leads_somewhere() {
        assert_eq!(check(&crate::root()).expect("documents"), Vec::<String>::new());
    }
}
