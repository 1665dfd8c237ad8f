"""Samples for a browser: pages and scripts, in Chromium."""

import re
import time

from harness import browser, ports
from harness.servers import await_that


class Heard:
    """What a page logged."""

    def __init__(self):
        self.lines = []

    def __call__(self, *words):
        self.lines.append(" ".join(str(word) for word in words))

    def has(self, *parts):
        return any(all(part in line for part in parts) for line in list(self.lines))


# What the page writes to the console and what it shows.
CONSOLE = browser.SAY + """<script>
console.log = console.warn = say;
window.reload = (gap) => say('reload', gap.channel);
new MutationObserver(() => say(document.body.innerText)).observe(document, { subtree: true, childList: true, characterData: true });
</script>"""


def open_page(world, html, heard, port=0):
    return browser.Page(world.processes, "chromium", CONSOLE + html, heard, port=port)


def check_page(world, sample):
    """A page whose stream works tells, or shows, that it is connected, of events, of a gap and of a lost connection; one that CORS refuses
    says so. Where the document has its reader serve the page, the node admits what the document says and no other origin, and the page
    is connected again as soon as the node is back."""
    html, heard, port = sample.text, Heard(), ports.take()
    assert sample.origin or not sample.is_served, "its document has no node that admits its origin"
    node = world.node("page", [f"server.cors_origins={sample.origin}:{port}" if sample.origin else 'server.cors_origins=["*"]'])
    publish = lambda *more: world.redis.command("FCALL", "sse_publish", "1", "sse:orders", *more)  # noqa: E731
    # A node by itself is on 8080, the first one of `make run` on 8081.
    here = lambda node: re.sub(r"http://127\.0\.0\.1:808[01]", f"http://127.0.0.1:{node.port}", html)  # noqa: E731
    page = open_page(world, here(node), heard, port)
    try:
        await_that("the page says that it is connected", lambda: heard.has("connected"))

        def told():
            publish("DATA", '{"n":1}')
            publish("DATA", '{"n":2}', "EVENT", "created")
            time.sleep(0.2)
            return heard.has('{"n":1}') and heard.has("created")

        await_that(f"the page hears of events: {heard.lines}", told)
        world.redis.command("DEL", "sse:orders")
        publish("DATA", "after the stream was deleted")
        await_that("the page hears of a gap", lambda: heard.has("are missing"))
        world.processes.end(node.process)
        await_that("the page hears that the connection is lost", lambda: heard.has("comes back by itself"))
        if sample.origin:
            heard.lines.clear()
            node.start()
            await_that("the page says that it is connected again", lambda: heard.has("connected"))
    finally:
        page.close()
        world.processes.end(node.process)
    node, heard = world.node("page-refused"), Heard()
    page = open_page(world, here(node), heard)
    try:
        await_that("the page hears that it was refused", lambda: heard.has("refused"))
        assert not heard.has("comes back by itself"), heard.lines
    finally:
        page.close()
        world.processes.end(node.process)


def check_script(world, sample):
    """The script of the README: events and a gap."""
    node, heard = world.node("script", ['server.cors_origins=["*"]']), Heard()
    script = re.sub(r"http://127\.0\.0\.1:8081", f"http://127.0.0.1:{node.port}", sample.text)
    channel = re.search(r"channel=([a-z]+)", script)[1]
    page = open_page(world, f"<script>{script}</script>", heard)
    try:
        def told():
            world.redis.publish(channel, "hello from a test")
            time.sleep(0.2)
            return heard.has("hello from a test")

        await_that("the script hears of events", told)
        world.redis.command("DEL", f"sse:{channel}")
        world.redis.publish(channel, "after the stream was deleted")
        await_that("the script hears of a gap", lambda: heard.has("reload", channel))
    finally:
        page.close()
        world.processes.end(node.process)
