"""The page of `make run`: a minute of a machine's figures, during which the connection is cut twice."""

import json
import random

from harness import ports
from harness.servers import await_that, status_of
from harness.still import START_MS

from . import BOTH, files

WIDTH, SCHEMES = 1200, BOTH
SOURCES = files("crates/gateway/src/demo/page.html")

PAUSE_MS, DELAY_MS = 250, 2
# In points, four a second: when the page is opened, when its connection is cut, for how long the page then stays away, and the end.
OPENED, CUTS, AWAY, END = 23 * 4, (35 * 4, 49 * 4), 3 * 4, 62 * 4
GIB, KIB = 1 << 30, 1 << 10


def figures():
    """What a machine could have measured: by event, one after the other."""
    chance = random.Random(42)
    cached = 7.1 * GIB
    for number in range(END):
        busy = 30 * max(0, 1 - abs(number - 118) / 9) + 45 * max(0, 1 - abs(number - 176) / 5)
        burst = chance.random() < 0.06
        cached += chance.uniform(0, 4e6)
        yield {
            "cpu": {"user": round(14 + busy + chance.uniform(-1.5, 2.5), 1), "system": round(4 + busy / 6 + chance.uniform(-0.5, 1), 1)},
            "memory": {"total": 16 * GIB, "used": int(3.4 * GIB + busy * 9e6), "cached": int(cached)},
            "network": {"received": round(chance.uniform(6, 7) * KIB * (220 if burst else 1), 1),
                        "sent": round(chance.uniform(8, 9) * KIB * (30 if burst else 1), 1), "local": round(chance.uniform(98, 112) * KIB, 1)},
            "disk": {"read": round(chance.uniform(1, 9) * 2_000 * KIB, 1) if abs(number - 176) < 4 else 0.0,
                     "written": round(chance.uniform(20, 900) * KIB, 1) if burst or number % 40 < 3 else 0.0},
        }


def time_of(number):
    return START_MS + PAUSE_MS * number


def store(stage, number, point):
    """Under ids of that time, so that the position is the same whenever the picture is made."""
    for event, values in point.items():
        key = f"sse:host.{event}"
        data = json.dumps({"run": "picture", "seq": number + 1, "t": time_of(number), **values})
        stage.redis.command("XADD", key, f"{time_of(number)}-0", "event", event, "data", data)
        stage.redis.command("PUBLISH", key, "")


def page_of_the_demonstration(stage):
    """It publishes this machine's figures elsewhere, and its page reads ours."""
    port = ports.take()
    command = [stage.binary, "demo", "--redis", f"redis://127.0.0.1:{stage.redis.port}", "--prefix", "elsewhere:",
               "--nodes", "http://127.0.0.1:8081,http://127.0.0.1:8082", "--listen", f"127.0.0.1:{port}"]
    process = stage.processes.start("demo", command)
    await_that("the page is served", lambda: status_of(port, "/") == 200, process)
    return f"http://127.0.0.1:{port}/"


def show(stage):
    points = list(figures())
    for number in range(OPENED):
        store(stage, number, points[number])
    page = stage.page(page_of_the_demonstration(stage), time_of(OPENED - 1) + DELAY_MS)
    seen = lambda number: page.wait(f"point {number} is there", f"source?.readyState === 1 && seen === {4 * (number + 1)}")  # noqa: E731
    seen(OPENED - 1)
    for number in range(OPENED, END):
        if number in CUTS:
            page.value("document.querySelector('#cut').click()")
        page.value(f"tick({PAUSE_MS})")
        away = any(cut <= number < cut + AWAY - 1 for cut in CUTS)
        if number + 1 - AWAY in CUTS:
            page.wait("the page is on the other node", "source?.readyState === 1")
        store(stage, number, points[number])
        if not away:
            seen(number)
    page.wait("the figures are shown", f"document.querySelector('#events').textContent === grouped.format({4 * END})")
    return page
