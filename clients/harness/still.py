"""Pages that stand still, so that their pictures can be made again: a clock of the test's, and addresses as the documents have them."""

import os
import pathlib
import sys
import threading
import urllib.parse
import urllib.request

from .devtools import Chromium
from .servers import PATIENCE, Node, Redis, WebServer

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "examples"

# What the clock of every page shows, in milliseconds since the Unix epoch: 5 January 2026, 10:35 UTC.
START_MS = 1_767_609_300_000

# The clock stands until `tick(milliseconds)` moves it, that of animations as well. Timers that run once wait for it; those that repeat do
# not, since they only show what is there.
CLOCK = """(() => {
  const System = Date, timers = new Map();
  let now = NOW, number = 0;
  window.Date = class extends System {
    constructor(...parts) { if (parts.length) super(...parts); else super(now); }
    static now() { return now; }
  };
  performance.now = () => now - NOW;
  const nextFrame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (task) => nextFrame(() => task(performance.now()));
  window.setTimeout = (task, pause = 0) => { timers.set(++number, { due: now + pause, task }); return number; };
  window.clearTimeout = (number) => timers.delete(number);
  window.tick = (milliseconds) => {
    now += milliseconds;
    for (const [number, { task }] of [...timers].filter(([, { due }]) => due <= now)) { timers.delete(number); task(); }
  };
})()"""

# What a reader or a screen reader is told, from top to bottom; lengths and colours are not in it, which differ with the fonts of a machine.
SHOWN = """(() => {
  const said = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  const say = (text) => { if (text?.trim()) said.push(text.trim().replace(/\\s+/g, ' ')); };
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (node.nodeType === Node.TEXT_NODE) {
      if (element.checkVisibility() && !['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) say(node.data);
    } else if (node.checkVisibility()) {
      if (node.matches('[aria-label]')) say(`[${node.getAttribute('aria-label')}]`);
      if (node.matches('input, textarea, progress')) say(`[${node.value}]`);
    }
  }
  return said;
})()"""

# A chart that glides to its scale has arrived after these.
FRAMES = 120
AFTER_FRAMES = """new Promise((done) => {
  let left = %d;
  (function next() { if (left-- > 0) requestAnimationFrame(next); else done(); })();
})"""


class Stage:
    """A Redis and two nodes, which Chromium finds where the documents say that nodes are: the first on ports 8080 and 8081 of this machine, the
    second on 8082."""

    def __init__(self, processes, binary):
        self.processes, self.binary = processes, binary
        self.redis = Redis(processes)
        settings = (EXAMPLES / "viewers" / "fanfare.toml").read_text()
        self.nodes = [Node(processes, binary, f"node-{number}", self.redis.port, file=settings) for number in (1, 2)]
        first, second = (node.port for node in self.nodes)
        rules = [f"MAP 127.0.0.1:{shown} 127.0.0.1:{port}" for shown, port in ((8080, first), (8081, first), (8082, second))]
        self.chromium = Chromium(processes, [f"--host-resolver-rules={', '.join(rules)}"])
        self.servers, self.streams = [], []

    def page(self, url, now_ms=START_MS):
        """Opens a page at whose clock it is that late, in UTC and in English."""

        def before(page):
            page.ask("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
            page.ask("Emulation.setLocaleOverride", {"locale": "en-GB"})
            page.ask("Page.addScriptToEvaluateOnNewDocument", {"source": CLOCK.replace("NOW", str(now_ms))})

        return self.chromium.page(url, before=before)

    def publish(self, channel, data, event):
        self.redis.command("FCALL", "sse_publish", "1", f"sse:{channel}", "DATA", data, "EVENT", event)

    def read(self, channel, count):
        """Opens so many streams, on both nodes in turn, until the end."""
        for number in range(count):
            url = f"http://127.0.0.1:{self.nodes[number % 2].port}/events?channel={urllib.parse.quote(channel)}"
            self.streams.append(urllib.request.urlopen(url, timeout=PATIENCE))

    def serve(self, handler):
        """Where a server answers with that handler until the end."""
        server = WebServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    def example(self, name, routes=None):
        """Opens the page of an example, with a server like the example's own that answers what is given here."""
        sys.path.insert(0, str(EXAMPLES))
        from support.web import handler  # noqa: PLC0415

        # The page asks the node where it is written to be.
        assert "NODE_URL" not in os.environ, "NODE_URL is set: the pictures have a node of their own"
        return self.page(self.serve(handler(EXAMPLES / name, routes or {})))

    def close(self):
        for server in self.servers:
            server.shutdown()
        for stream in self.streams:
            stream.close()
        self.chromium.close()


def shown(page):
    return page.value(SHOWN)


def picture(page, width, scheme):
    """Of the whole page and nothing below it, as PNG."""
    page.size(width, scheme)
    page.ask("Page.bringToFront")
    page.value(AFTER_FRAMES % FRAMES)
    return page.image(page.value("Math.ceil(document.documentElement.getBoundingClientRect().height)"))
