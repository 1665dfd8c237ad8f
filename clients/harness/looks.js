// What is wrong with a page as it stands, a text for each: the body of a function, for clients/harness/looks.py and for the tests of the gateway.
// Where the page has a canvas, it is a promise of that, kept once the canvas has been drawn.
const CONTRAST_MIN = 4.5; // WCAG 2.2, success criterion 1.4.3
const FONT_MIN = 11; // CSS pixels
const MARGIN_MIN = 4; // On each side of a text in its box, in units of the picture.
const FRAMES_MAX = 60; // In which a canvas that is drawn again and again has to be drawn once.
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
  if (box && element.getBBox().width + 2 * MARGIN_MIN > box.getBBox().width) faults.push(`wider than its box: ${name}`);
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
// The least contrast of a word that is about to be drawn with the pixels that it is drawn on, and those that touch it.
const contrastOfWord = (pen, text, x, y) => {
  const { a: scale, e, f } = pen.getTransform(), box = pen.measureText(text), EDGE = 2;
  const left = Math.floor((x - box.actualBoundingBoxLeft - EDGE) * scale + e), top = Math.floor((y - box.actualBoundingBoxAscent - EDGE) * scale + f);
  const width = Math.ceil((box.actualBoundingBoxLeft + box.actualBoundingBoxRight + 2 * EDGE) * scale);
  const height = Math.ceil((box.actualBoundingBoxAscent + box.actualBoundingBoxDescent + 2 * EDGE) * scale);
  const stencil = new OffscreenCanvas(width, height).getContext('2d');
  for (const key of ['font', 'textAlign', 'textBaseline']) stencil[key] = pen[key];
  stencil.setTransform(scale, 0, 0, scale, e - left, f - top);
  stencil.lineWidth = EDGE;
  stencil.fillText(text, x, y);
  stencil.strokeText(text, x, y);
  const word = stencil.getImageData(0, 0, width, height).data, behind = pen.getImageData(left, top, width, height).data;
  const card = ground(pen.canvas), ink = parse(pen.fillStyle.startsWith('#') ? rgb(pen.fillStyle) : pen.fillStyle);
  let least = 21;
  for (let at = 0; at < word.length; at += 4) {
    if (word[at + 3] < 128) continue;
    const under = over({ rgb: [...behind.slice(at, at + 3)].map((part) => part / 255), opacity: behind[at + 3] / 255 }, card);
    least = Math.min(least, contrast(over({ ...ink, opacity: ink.opacity * pen.globalAlpha }, under), under));
  }
  return least;
};
// `#rrggbb`, which is how a canvas tells a colour without opacity.
const rgb = (hex) => `rgb(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(', ')})`;
const FILL = CanvasRenderingContext2D.prototype.fillText;
// Looks at every word that is drawn until each canvas has some.
const wordsOf = async (canvases) => {
  const seen = new Set(), found = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    if (canvases.includes(this.canvas)) try {
      const least = contrastOfWord(this, text, x, y), size = parseFloat(this.font);
      seen.add(this.canvas);
      if (least < CONTRAST_MIN) found.push(`faint, ${least.toFixed(2)}: CANVAS ${text}`);
      if (size < FONT_MIN) found.push(`small, ${size.toFixed(1)} px: ${text}`);
    } catch (error) { // Which would end the page's own drawing.
      found.push(`cannot be looked at: ${text}: ${error}`);
    }
    FILL.call(this, text, x, y);
  };
  for (let frame = 0; frame < FRAMES_MAX && seen.size < canvases.length; frame++) await new Promise((done) => requestAnimationFrame(done));
  CanvasRenderingContext2D.prototype.fillText = FILL;
  for (const canvas of canvases) if (!seen.has(canvas)) found.push(`no word was drawn to look at: ${canvas.outerHTML.slice(0, 80)}`);
  return found;
};
const canvases = [...document.querySelectorAll('canvas')].filter((canvas) => canvas.checkVisibility());
if (canvases.length) return wordsOf(canvases).then((found) => [...new Set([...faults, ...found])]);
return [...new Set(faults)];
