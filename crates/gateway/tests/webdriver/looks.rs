//! Whether a page can be read, looked at width by width and scheme by scheme.

use serde_json::json;

use super::Browser;

/// The widths at which pages are looked at, in CSS pixels: a desk, and a telephone.
pub(crate) const WIDTHS: [u32; 2] = [1200, 400];
pub(crate) const SCHEMES: [&str; 2] = ["light", "dark"];

/// More than any page needs, so that nothing has to be scrolled to.
const HEIGHT: u32 = 1900;

/// What is wrong with the page as it stands, a text for each.
const FAULTS: &str = include_str!("../../../../clients/harness/looks.js");

impl Browser {
    /// Requires that the page can be read at every width and in both schemes: nothing faint, small, too wide or without a text, and
    /// every number on one line. `before` is a script that runs before each look, without a pause in which the page could undo it.
    pub(crate) fn can_be_read(&self, before: &str) {
        let mut faults = Vec::new();
        for scheme in SCHEMES {
            self.colours(scheme);
            for width in WIDTHS {
                self.resize(width, HEIGHT);
                let found = self.run(&format!("{before}\n{FAULTS}"));
                faults
                    .extend(found.as_array().unwrap().iter().map(|fault| format!("{scheme}, {width} pixels: {fault}")));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Moves the focus with the Tab key alone to the first element that the selector names.
    pub(crate) fn tab_to(&self, selector: &str) {
        const TAB: &str = "\u{e004}";
        let is_there = format!("return document.activeElement === document.querySelector({})", json!(selector));
        for _ in 0..60 {
            if self.run(&is_there) == json!(true) {
                return;
            }
            self.press(TAB);
        }
        panic!("the Tab key does not reach {selector}");
    }
}
