//! Whether a page can be read, looked at width by width and scheme by scheme.

use serde_json::json;

use super::Browser;

/// The widths at which pages are looked at, in CSS pixels: a desk, and a telephone.
pub(crate) const WIDTHS: [u32; 2] = [1200, 400];
pub(crate) const SCHEMES: [&str; 2] = ["light", "dark"];

/// More than any page needs, so that nothing has to be scrolled to.
const HEIGHT: u32 = 1900;

/// Whether anything changes by a transition, whose colours are those of neither scheme.
const CHANGES: &str = "return document.getAnimations().some((animation) => animation.playState === 'running')";

/// What is wrong with the page as it stands, a text for each.
const FAULTS: &str = r"
const CONTRAST_MIN = 4.5; // WCAG 2.2, 1.4.3
const FONT_MIN = 11; // CSS pixels
// `rgb(1, 2, 3)`, or `color(srgb 0.1 0.2 0.3)`, which is how a mixed colour is told.
const parse = (colour) => {
  const [r, g, b, opacity = 1] = colour.replace('srgb', '').match(/[\d.]+/g).map(Number), whole = colour.startsWith('rgb') ? 255 : 1;
  return { rgb: [r, g, b].map((part) => part / whole), opacity };
};
const light = (rgb) => rgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const contrast = (one, other) => {
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};
// In a picture, the box that a text stands in.
const boxOf = (text) => [...text.parentElement.querySelectorAll('rect')].find((rect) => {
  const box = rect.getBoundingClientRect(), { left, right, top, bottom } = text.getBoundingClientRect(), x = (left + right) / 2, y = (top + bottom) / 2;
  return box.left < x && x < box.right && box.top < y && y < box.bottom;
});
const ground = (element) => {
  const { rgb, opacity } = parse(getComputedStyle(element).backgroundColor);
  return opacity === 0 ? ground(element.parentElement) : rgb;
};
const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
const faults = [];
for (const element of [...document.querySelectorAll('main *')].filter((element) => element.checkVisibility() && hasText(element))) {
  const drawn = element instanceof SVGTextElement, style = getComputedStyle(element), name = element.textContent.trim();
  const box = drawn ? boxOf(element) : null;
  const found = contrast(parse(drawn ? style.fill : style.color).rgb, box ? parse(getComputedStyle(box).fill).rgb : ground(drawn ? element.ownerSVGElement : element));
  if (found < CONTRAST_MIN && !element.disabled) faults.push(`faint, ${found.toFixed(1)}: ${name}`);
  const size = parseFloat(style.fontSize) * (drawn ? element.getScreenCTM().a : 1);
  if (size < FONT_MIN) faults.push(`small, ${size.toFixed(1)} px: ${name}`);
  if (box && element.getBBox().width > box.getBBox().width) faults.push(`wider than its box: ${name}`);
}
for (const element of document.querySelectorAll('html, .card, .figure, .figures, .figures div, td, th, button'))
  if (element.scrollWidth > element.clientWidth + 1) faults.push(`too wide: ${element.textContent.trim()}`);
for (const element of document.querySelectorAll('.figures b, .figure, .key b')) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const tops = [...range.getClientRects()].map(({ top }) => Math.round(top));
  if (new Set(tops).size > 1) faults.push(`on two lines: ${element.textContent}`);
}
for (const picture of document.querySelectorAll('canvas, svg:not([aria-hidden])'))
  if (!picture.getAttribute('aria-label')?.trim() && !picture.textContent.trim()) faults.push(`no text: ${picture.outerHTML.slice(0, 80)}`);
return faults;
";

impl Browser {
    /// Requires that the page can be read at every width and in both schemes: nothing faint, small, too wide or without a text, and
    /// every number on one line. `before` is a script that runs before each look, without a pause in which the page could undo it.
    pub(crate) fn can_be_read(&self, before: &str) {
        let mut faults = Vec::new();
        for scheme in SCHEMES {
            self.colours(scheme);
            for width in WIDTHS {
                self.resize(width, HEIGHT);
                self.until("the end of all transitions", |browser| browser.run(CHANGES) == json!(false));
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
