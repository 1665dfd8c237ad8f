"""What the documents advise, so that it is tried as it stands there."""

import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parent.parent.parent / "docs"


def script(document, heading):
    """The first JavaScript below a heading."""
    return sample(document, heading, "js")


def sample(document, heading, language):
    """The first sample in that language below a heading."""
    _, found, text = (DOCS / document).read_text().partition(f"# {heading}\n")
    block = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found and block, f"docs/{document} has no {language} below {heading!r}"
    return block[1]
