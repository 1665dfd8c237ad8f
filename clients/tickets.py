#!/usr/bin/env python3
"""Runs the page of docs/auth.md, which follows a stream by tickets, in each browser that is installed.

Its tickets end twice. The first ends before any event has come, and at the end of the second the application gives none at first; both
times events are published while the page has no stream. Each must come once and in order.

Usage: tickets.py FANFARE_BINARY
"""

import http.client
import os
import pathlib
import re
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import browser  # noqa: E402
from harness.servers import Node, Processes, Redis, await_that  # noqa: E402

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "auth.md"
KEY = "a-publish-key-of-some-length"
ORDER = '{"channels":["user:7"],"sub":"7","lifetime":10}'
SETTINGS = ["auth.enabled=true", "auth.tickets=true", f"publish.key={KEY}", "delivery.heartbeat=1s", "delivery.retry_ms=100"]
# The event names in the channel are heard, too.
FOLLOW = browser.SAY + "<script>\n%s\n</script><script>follow((name, data) => say(name, data ?? ''), ['named']);</script>"


def page(origin):
    """The function as the document has it, with the node's origin in place of the example's."""
    blocks = re.findall(r"^```js\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    script = next(block for block in blocks if "new EventSource" in block and '"/live/ticket"' in block)
    function = script[: script.rindex("\nfollow(")]
    assert '"https://events.example"' in function
    return FOLLOW % function.replace("https://events.example", origin)


class Application:
    """Answers `POST /live/ticket`, and publishes what the page must not miss."""

    def __init__(self, redis, node):
        self.redis, self.node = redis, node
        self.asked, self.published = 0, 0
        self.lock = threading.Lock()

    def publish(self):
        self.published += 1
        self.redis.publish("user:7", f"n{self.published}")

    def ticket(self):
        with self.lock:
            self.asked += 1
            if self.asked == 2:
                self.publish()
            if self.asked == 3:
                self.publish()
                return 503, b"<p>not now</p>"
            if self.asked == 4:
                self.publish()
            connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=5)
            connection.request("POST", "/tickets", ORDER, {"Authorization": f"Bearer {KEY}"})
            answer = connection.getresponse()
            return answer.status, answer.read()


def run(processes, binary, name):
    """Returns what went wrong, or nothing."""
    redis = Redis(processes)
    node = Node(processes, binary, f"node-{name}", redis.port, SETTINGS)
    application, heard = Application(redis, node), []
    shown = browser.Page(
        processes, name, page(f"http://127.0.0.1:{node.port}"), lambda *words: heard.append(words), name, {"/live/ticket": application.ticket}
    )
    try:
        await_that("the page is connected", lambda: any(event == "$ready" for event, _ in heard))
        await_that("the page has its third ticket", lambda: application.asked >= 4)
        with application.lock:
            application.publish()
        await_that("the last event is there", lambda: ("message", f"n{application.published}") in heard)
    finally:
        shown.close()
        processes.end_all()
    events = [data for event, data in heard if event == "message"]
    wanted = [f"n{number}" for number in range(1, application.published + 1)]
    names = [event for event, _ in heard]
    if events != wanted or "$gap" in names or names.count("$expired") != 2:
        return f"{name}: {heard}"
    return None


def main():
    binary = os.path.abspath(sys.argv[1])
    installed = [name for name in browser.BROWSERS if browser.program(name)]
    faults = []
    for name in installed:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            fault = run(Processes(scratch), binary, name)
            print(f"tickets in {name}: {'FAULT' if fault else 'nothing lost'}")
            faults += [fault] if fault else []
    for name in set(browser.BROWSERS) - set(installed):
        print(f"SKIPPED tickets in {name}: it is not installed")
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
