"""Whether a page can be read: nothing scrolls sideways, and text stands out from what it stands on."""

WIDTHS = (1200, 400)
SCHEMES = ("light", "dark")
# WCAG 2.2, success criterion 1.4.3.
CONTRAST_MIN = 4.5

FAULTS = """(() => {
  const parse = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
  const over = (top, under) => top.rgb.map((value, index) => value * top.a + under[index] * (1 - top.a));
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, index) => sum + v * [0.2126, 0.7152, 0.0722][index], 0);
  const faults = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const under = ground(element), text = over(parse(getComputedStyle(element).color), under);
    const [dark, bright] = [light(under), light(text)].sort((a, b) => a - b), contrast = (bright + 0.05) / (dark + 0.05);
    if (contrast < MIN) faults.push(`${contrast.toFixed(2)}:1 ${element.tagName} ${walker.currentNode.data.trim().slice(0, 30)}`);
  }
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`scrolls sideways by ${wide} px`);
  for (const field of document.querySelectorAll("input, select, textarea, progress, [role=img]"))
    if (field.checkVisibility() && !field.labels?.length && !field.ariaLabel && !field.title) faults.push(`no label: ${field.outerHTML.slice(0, 60)}`);
  return [...new Set(faults)];
})()""".replace("MIN", str(CONTRAST_MIN))


def check(page, name, screenshots=None):
    """Fails with what is wrong; keeps a picture of each width and scheme, if a folder for them is given."""
    faults = []
    for width in WIDTHS:
        for scheme in SCHEMES:
            page.size(width, scheme)
            if screenshots:
                page.screenshot(f"{screenshots}/{name}-{width}-{scheme}.png")
            faults += [f"{width} px, {scheme}: {fault}" for fault in page.value(FAULTS)]
    page.size(1200)
    assert not faults, "; ".join(faults)
