//! Replacing a part of a document that a program writes.

use std::path::Path;

use anyhow::{Context as _, Result};

/// Replaces what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
///
/// # Errors
/// When the document has no such section, or cannot be read or written.
pub(crate) fn replace_section(path: &Path, name: &str, content: &str) -> Result<()> {
    let document = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = replaced(&document, name, content).with_context(|| {
        format!("{} has no section between <!-- {name}:begin --> and <!-- {name}:end -->", path.display())
    })?;
    std::fs::write(path, document).with_context(|| format!("cannot write {}", path.display()))
}

fn replaced(document: &str, name: &str, content: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_section_changes() {
        let document = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb <!-- y:begin --><!-- y:end -->\n";
        let once = replaced(document, "x", "new\n").unwrap();
        assert_eq!(once, "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb <!-- y:begin --><!-- y:end -->\n");
        assert_eq!(replaced(&once, "x", "new\n").as_deref(), Some(once.as_str()), "twice is once");
        assert_eq!(replaced(document, "z", ""), None);
        assert_eq!(replaced("<!-- x:end --><!-- x:begin -->", "x", ""), None);
    }

    #[test]
    fn a_document_without_the_section_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("doc.md");
        std::fs::write(&path, "text").unwrap();
        let error = replace_section(&path, "bench", "new").unwrap_err().to_string();
        assert!(error.contains("doc.md has no section between <!-- bench:begin -->"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
    }
}
