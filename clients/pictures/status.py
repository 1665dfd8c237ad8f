"""The page `/status` of a node with readers of several channels, two kinds of which were refused something."""

import http.server
import json
import threading

from harness.servers import get

from . import BOTH, files

WIDTH, SCHEMES = 1200, BOTH
SOURCES = files("crates/gateway/src/admin/status.html")

SECONDS = 61
UP_SECONDS = 93_784.0
# Readers on this node, and on all three; those of single users and jobs are not counted.
CHANNELS = [("prices.eur", 6_120, 18_344), ("prices.usd", 4_480, 13_391), ("match:1904", 2_960, 8_912), ("orders", 1_730, 5_166), ("news", 1_204, 3_650),
            ("feed", 655, 1_980), ("poll:1904", 518, 1_544), ("match:1905", 342, 1_031), ("chat:lobby", 187, 566), ("weather.vienna", 96, 274),
            ("build:main", 61, 180), ("alerts", 27, 83), ("tram:2", 19, 60), ("user:1188", 4, None), ("user:2077", 3, None), ("user:3310", 2, None),
            ("job:5e1f", 1, None), ("job:77ab", 1, None), ("user:4096", 1, None), ("user:5150", 1, None)]
SESSIONS = 17_218
DELIVERIES, SENT_BYTES = 48_312, 11_630_000
# What differs from run to run or from machine to machine. Anything else is what the node itself says.
NODE = {"version": "0.1.0", "store": "redis://127.0.0.1:6379", "process": 4711,
        "listen": "127.0.0.1:8080", "listeners": ["127.0.0.1:8080"], "cores": 4,
        "redis_version": "8.2.1", "redis_connected_seconds": int(UP_SECONDS) - 1, "redis_library": "loaded by this node", "redis_may_evict": False,
        "redis_subscriptions": 1_242, "redis_last_error": None, "occupancy": {"channels": 13, "watched_channels": 5, "lag_seconds": 0, "last_error": None}}
HEALTH = {"accepts": True, "ready": True, "reasons": [], "feed_reason": None, "archive_reason": None, "probe_age_seconds": 0.4, "read_age_seconds": 1.2}


def with_values(real, fixed):
    """What a node said, with other values where some are given."""
    unknown = set(fixed) - set(real)
    assert not unknown, f"the status has no {', '.join(sorted(unknown))}"
    nested = lambda key: isinstance(fixed[key], dict)  # noqa: E731
    return {key: value if key not in fixed else with_values(value, fixed[key]) if nested(key) else fixed[key] for key, value in real.items()}


def zeros(counters):
    return dict.fromkeys(counters, 0)


def lag(bounds, count):
    """Nearly all within a millisecond, all but a few within four."""
    within = lambda bound: 0 if bound < 0.0005 else 0.95 if bound < 0.004 else 0.995 if bound < 0.02 else 1  # noqa: E731
    shares = [within(bound) for bound in bounds]
    counts = [round(count * (share - before)) for share, before in zip(shares, [0, *shares])]
    return {"count": sum(counts), "buckets": [list(pair) for pair in zip(bounds, counts)]}


def status(real, second):
    """What the node would have said after so many seconds of the picture's minute."""
    up = UP_SECONDS - SECONDS + 1 + second
    deliveries = round(DELIVERIES * (up - 9_000))
    said = real["metrics"]
    bounds = [bound for bound, _ in said["fanfare_publish_to_write_seconds"]["buckets"]]
    metrics = {
        "fanfare_uptime_seconds": up,
        "fanfare_sessions": SESSIONS,
        "fanfare_connections": SESSIONS + 44,
        "fanfare_connections_limit": 100_000,
        "fanfare_deliveries_total": deliveries,
        "fanfare_sent_bytes_total": round(SENT_BYTES * (up - 9_000)),
        "fanfare_publish_to_write_seconds": lag(bounds, deliveries),
        "fanfare_tail_bytes": 38_900_000,
        "fanfare_tail_budget_bytes": 256 << 20,
        "process_resident_memory_bytes": 74_200_000,
        "fanfare_gaps_total": zeros(said["fanfare_gaps_total"]),
        "fanfare_channels_refused_total": 0,
        "fanfare_refusals_total": {**zeros(said["fanfare_refusals_total"]), "address_rate": 1_906 + 2 * second, "subject": 37},
    }
    channels = [{"channel": channel, "readers": here, **({} if everywhere is None else {"occupancy": everywhere})} for channel, here, everywhere in CHANNELS]
    return {**real, "node": with_values(real["node"], NODE), "health": with_values(real["health"], HEALTH), "channels": channels,
            "metrics": with_values(said, metrics)}


def show(stage):
    node = stage.nodes[0]
    ask = lambda accept: get(node.admin, "/status", {"Accept": accept})[1:]  # noqa: E731
    real = json.loads(ask("application/json")[1])
    headers, html = ask("text/html")
    values = b"".join(f"data: {json.dumps(status(real, second))}\n\n".encode() for second in range(SECONDS))

    class Handler(http.server.BaseHTTPRequestHandler):
        """The node's own page, and a minute of a status at once."""

        def do_GET(self):
            stream = self.headers["Accept"] == "text/event-stream"
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if stream else headers["Content-Type"])
            self.send_header("Content-Security-Policy", headers["Content-Security-Policy"])
            self.end_headers()
            self.wfile.write(values if stream else html)
            if stream:
                self.wfile.flush()
                # Until the test ends.
                threading.Event().wait()

        def log_message(self, *_):
            pass

    page = stage.page(stage.serve(Handler) + "status")
    page.wait("the minute is there", f"past.length === {SECONDS} && document.querySelector('#word').textContent === 'Ready'")
    return page
