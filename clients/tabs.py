#!/usr/bin/env python3
"""Opens twenty tabs in real browsers, each with one EventSource of the same node: who hears an event, over how many connections.

Over HTTP/2, which takes TLS, all twenty hear it, over one connection (Firefox: one or two). Over HTTP/1.1, with TLS
(`server.http2 = false`) and without, a browser opens six connections to an origin: six tabs hear it, the seventh gets its stream when
one of the six is closed.

Usage: tabs.py FANFARE_BINARY [--set KEY=VALUE]…    with --set nodes have other settings, to see it fail
"""

import argparse
import os
import sys
import pathlib
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import browser  # noqa: E402
from harness.authority import Authority  # noqa: E402
from harness.servers import Node, Processes, Redis, await_that  # noqa: E402

TABS = 20
# What browsers open to one origin over HTTP/1.1.
CONNECTIONS = 6
# By name: whether the node speaks TLS, its settings, and how many tabs hear something at a time over how many connections. Firefox opens
# a second one while it does not know yet that the first is enough, and keeps it.
TRANSPORTS = {
    "h2": (True, [], TABS, {1, 2}),
    "tls": (True, ["server.http2=false"], CONNECTIONS, {CONNECTIONS}),
    "plain": (False, [], CONNECTIONS, {CONNECTIONS}),
}

# The first page opens the tabs. A tab leaves its stream when it hears that it is to.
PAGE = browser.SAY + """<script>
const tab = new URLSearchParams(location.search).get('tab');
if (tab === null) {
  for (let number = 0; number < %(tabs)d; number++) open(`/?tab=${number}`, '_blank', 'noopener');
} else {
  const source = new EventSource('%(url)s');
  say('asked', Number(tab), '');
  for (const name of ['$ready', 'message']) {
    source.addEventListener(name, (event) => {
      say(name, Number(tab), event.data);
      if (event.data === `leave ${tab}`) source.close();
    });
  }
}
</script>"""


class Tabs:
    """What the tabs of one browser have said."""

    def __init__(self):
        self.said, self.lock = [], threading.Lock()

    def hear(self, *words):
        with self.lock:
            self.said.append(words)

    def that_said(self, name, data=None):
        """The numbers of the tabs, in the order in which they said it first."""
        with self.lock:
            said = [tab for what, tab, told in self.said if what == name and data in (None, told)]
        return list(dict.fromkeys(said))

    def await_tabs(self, count, name, data=None):
        try:
            await_that(f"{count} tabs say {name}", lambda: len(self.that_said(name, data)) >= count)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {len(self.that_said(name, data))}") from None


def expect_equal(found, wanted, what):
    assert found == wanted, f"{what}: {found}, expected {wanted}"


def expect_connections(node, wanted):
    """One that the browser has found it does not need may be on its way out. Returns how many there are."""
    try:
        await_that("connections", lambda: node.metric("fanfare_connections") in wanted)
    except AssertionError:
        assert False, f"connections: {node.metric('fanfare_connections')}, expected {wanted}"
    return node.metric("fanfare_connections")


def follow(tabs, node, publish, hearing, connections):
    """Raises what is not as it must be; returns what was seen."""
    tabs.await_tabs(TABS, "asked")
    tabs.await_tabs(hearing, "$ready")
    publish("one")
    tabs.await_tabs(hearing, "message", "one")
    count = expect_connections(node, connections)
    if hearing < TABS:
        leaver = tabs.that_said("$ready")[0]
        publish(f"leave {leaver}")
        tabs.await_tabs(hearing + 1, "$ready")
        publish("two")
        tabs.await_tabs(hearing, "message", "two")
        expect_connections(node, connections)
        # Had more than these been let in at any time, they would be among them.
        expect_equal(len(tabs.that_said("$ready")), hearing + 1, "tabs that had a stream at some time")
        assert leaver not in tabs.that_said("message", "two"), "a tab hears something on a stream that it has closed"
    expect_equal(len(tabs.that_said("message", "one")), hearing, "tabs that heard the first event")
    expect_equal(node.metric("fanfare_sessions"), hearing, "streams at the node")
    return f"{hearing} of {TABS} tabs hear the event, {count} connection{'s' if count > 1 else ''}"


def run(processes, binary, redis, authority, name, transport, more):
    tls, options, hearing, connections = TRANSPORTS[transport]
    certificate = authority.options() if tls else []
    channel = f"{name}-{transport}"
    node = Node(processes, binary, f"node-{channel}", redis.port, [*certificate, *options, *more])
    url = f"{'https' if tls else 'http'}://127.0.0.1:{node.port}/events?channel={channel}"
    tabs = Tabs()
    page = PAGE % {"tabs": TABS, "url": url}
    shown = browser.Page(processes, channel, page, tabs.hear, name, authority=authority if tls else None)
    try:
        return follow(tabs, node, lambda text: redis.publish(channel, text), hearing, connections), None
    except AssertionError as error:
        return "FAULT", str(error)
    finally:
        shown.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = arguments.parse_args()
    present = [name for name in browser.BROWSERS if browser.program(name)]
    for name in set(browser.BROWSERS) - set(present):
        print(f"SKIPPED twenty tabs in {name}: it is missing")
    runs = [(name, way) for name in present for way in TRANSPORTS if way == "plain" or browser.takes_authority(name)]
    began, found = time.monotonic(), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        processes = Processes(scratch)
        try:
            redis, authority = Redis(processes), Authority(processes.scratch)
            binary = os.path.abspath(given.binary)
            with ThreadPoolExecutor(len(runs) or 1) as pool:
                found = list(pool.map(lambda one: run(processes, binary, redis, authority, *one, given.set), runs))
        finally:
            processes.end_all()
    for (name, way), (seen, _) in zip(runs, found):
        print(f"{name}, {way}: {seen}")
    faults = [f"{name}, {way}: {fault}" for (name, way), (_, fault) in zip(runs, found) if fault]
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"tabs: {len(found)} runs, {len(faults)} faults, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
