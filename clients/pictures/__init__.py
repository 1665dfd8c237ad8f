"""The pictures of the documents, a module each: how wide, in which colours, what they are made of, and how the page comes to look so.

`show(stage)` opens the page (harness/still.py) and returns it when everything is there. `SOURCES` are the texts that the page is made of, by
name. Figures and times are fixed, so that whoever makes a picture again gets the same one.
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BOTH = ("light", "dark")


def files(*paths):
    """Files of the repository, by path."""
    return {path: (ROOT / path).read_text() for path in paths}
