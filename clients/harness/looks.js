// What is wrong with a page as it stands, a text for each: the body of a function, for clients/harness/looks.py and for the tests of the gateway.
const CONTRAST_MIN = 4.5; // WCAG 2.2, success criterion 1.4.3
const FONT_MIN = 11; // CSS pixels
// Colours on their way are those of neither scheme.
document.getAnimations().filter((animation) => animation instanceof CSSTransition).forEach((transition) => transition.finish());
// `rgb(1, 2, 3)`, or `color(srgb 0.1 0.2 0.3)`, which is how a mixed colour is told.
const parse = (colour) => {
  const [r, g, b, opacity = 1] = colour.replace('srgb', '').match(/[\d.]+/g).map(Number), whole = colour.startsWith('rgb') ? 255 : 1;
  return { rgb: [r, g, b].map((part) => part / whole), opacity };
};
const over = (top, under) => top.rgb.map((part, index) => part * top.opacity + under[index] * (1 - top.opacity));
const light = (rgb) => rgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const contrast = (one, other) => {
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};
// What an element stands on: all backgrounds behind it, and behind those a white page.
const ground = (element) => {
  const under = element.parentElement ? ground(element.parentElement) : [1, 1, 1];
  return over(parse(getComputedStyle(element).backgroundColor), under);
};
// In a picture, the box that a text stands in.
const boxOf = (text) => [...text.parentElement.querySelectorAll('rect')].find((rect) => {
  const box = rect.getBoundingClientRect(), { left, right, top, bottom } = text.getBoundingClientRect(), x = (left + right) / 2, y = (top + bottom) / 2;
  return box.left < x && x < box.right && box.top < y && y < box.bottom;
});
const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
const isText = (element) => !['SCRIPT', 'STYLE'].includes(element.tagName) && element.checkVisibility() && hasText(element);
const faults = [];
for (const element of [...document.querySelectorAll('body, body *')].filter(isText)) {
  const drawn = element instanceof SVGTextElement, style = getComputedStyle(element), name = element.textContent.trim().slice(0, 80);
  const box = drawn ? boxOf(element) : null, behind = ground(drawn ? element.ownerSVGElement : element);
  const under = box ? over(parse(getComputedStyle(box).fill), behind) : behind;
  const found = contrast(over(parse(drawn ? style.fill : style.color), under), under);
  if (found < CONTRAST_MIN && !element.disabled) faults.push(`faint, ${found.toFixed(2)}: ${element.tagName} ${name}`);
  const size = parseFloat(style.fontSize) * (drawn ? element.getScreenCTM().a : 1);
  if (size < FONT_MIN) faults.push(`small, ${size.toFixed(1)} px: ${name}`);
  if (box && element.getBBox().width > box.getBBox().width) faults.push(`wider than its box: ${name}`);
}
for (const element of document.querySelectorAll('html, .card, .figure, .figures, .figures div, td, th, button'))
  if (element.scrollWidth > element.clientWidth + 1) faults.push(`too wide: ${element.tagName} ${element.textContent.trim().slice(0, 80)}`);
for (const element of document.querySelectorAll('.figures b, .figure, .key b')) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const tops = [...range.getClientRects()].map(({ top }) => Math.round(top));
  if (new Set(tops).size > 1) faults.push(`on two lines: ${element.textContent}`);
}
for (const picture of document.querySelectorAll('canvas, svg:not([aria-hidden])'))
  if (!picture.getAttribute('aria-label')?.trim() && !picture.textContent.trim()) faults.push(`no text: ${picture.outerHTML.slice(0, 80)}`);
for (const field of document.querySelectorAll('input, select, textarea, progress, [role=img]'))
  if (field.checkVisibility() && !field.labels?.length && !field.ariaLabel && !field.title) faults.push(`no label: ${field.outerHTML.slice(0, 80)}`);
return [...new Set(faults)];
