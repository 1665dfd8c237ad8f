"""The example *viewers*: one page among others that watch."""

from . import files

WIDTH, SCHEMES = 760, ("light",)
SOURCES = files("examples/viewers/index.html", "examples/viewers/fanfare.toml", "examples/support/style.css")

OTHERS = 27


def show(stage):
    stage.read("page:front", OTHERS)
    page = stage.example("viewers")
    page.wait("all are counted", f"document.querySelector('#readers').textContent === '{OTHERS + 1}'")
    return page
