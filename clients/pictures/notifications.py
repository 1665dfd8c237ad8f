"""The example *notifications*: Ada's inbox, two of whose entries she has not read."""

import json

from harness.still import START_MS

from . import files

WIDTH, SCHEMES = 760, ("light",)
SOURCES = files("examples/notifications/index.html", "examples/support/style.css")

# Who wrote what, and how many minutes ago.
WRITTEN = [("shop", "Order 4711 has been paid", 52), ("grace", "The rehearsal is moved to eight", 41), ("shop", "Order 4711 has been packed", 23),
           ("grace", "Bring the new reeds, please", 9), ("shop", "Order 4711 has been shipped", 1)]
READ = 3


def show(stage):
    entries = [{"number": number, "from": sender, "text": text, "at": START_MS / 1_000 - 60 * ago}
               for number, (sender, text, ago) in enumerate(WRITTEN, 1)]
    inbox = {"user": "ada", "users": ["ada", "grace"], "entries": entries[:-1], "read": READ}
    page = stage.example("notifications", {
        ("POST", "/live/ticket"): lambda _request: {"url": "http://127.0.0.1:8080/events?channel=user:ada"},
        ("GET", "/inbox"): lambda _request: inbox,
    })
    page.wait("the inbox is loaded", "loaded && document.querySelector('#status').textContent === 'live'")
    stage.publish("user:ada", json.dumps(entries[-1]), "notification")
    page.wait("the newest is there", f"entries.has({entries[-1]['number']})")
    return page
