"""Whether a page can be read: nothing scrolls sideways, and text stands out from what it stands on."""

import pathlib

WIDTHS = (1200, 400)
SCHEMES = ("light", "dark")

FAULTS = "(() => {" + pathlib.Path(__file__).with_name("looks.js").read_text() + "})()"


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
