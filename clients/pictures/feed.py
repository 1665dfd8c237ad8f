"""The example *feed*: posts that were loaded, and one that has come since."""

import json

from harness.still import START_MS

from . import files

WIDTH, SCHEMES = 760, ("light",)
SOURCES = files("examples/feed/index.html", "examples/support/style.css")

# Who wrote what, and how many minutes ago.
WRITTEN = [("Ignaz", "Tuning. Minutes to go: 30.", 31), ("Clara", "The hall is booked.", 24), ("Ada", "Has anybody seen the score?", 15),
           ("Grace", "New reeds have come.", 7), ("Ignaz", "Bar 42, again.", 2), ("Clara", "Bravo!", 0)]


def show(stage):
    posts = [{"id": number, "name": name, "text": text, "at": START_MS / 1_000 - 60 * ago} for number, (name, text, ago) in enumerate(WRITTEN, 1)]
    loaded = {"position": "0-0", "posts": posts[-2::-1]}
    page = stage.example("feed", {("GET", "/posts"): lambda _request: loaded})
    page.wait("the page is connected", "document.querySelector('#status').textContent === 'live'")
    stage.publish("feed", json.dumps(posts[-1]), "post")
    page.wait("the newest is there", f"items.has({posts[-1]['id']})")
    return page
