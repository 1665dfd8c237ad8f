"""What an application has in front of its nodes: pages, a way to sign in, an answer for a node that asks, and the nodes themselves.

A *site* is a name below `.localhost`, which browsers find on this machine and trust as they trust HTTPS. `app.SITE.localhost` is the
application, with a node behind its own `/events`; `live.SITE.localhost` is a node for pages of other hosts. So one browser can
have many sites open that know nothing of each other, each with a user, a channel and cookies of its own.
"""

import http.server
import json
import socket
import threading
import urllib.parse

from .proxy import pass_on
from .servers import WebServer

PATIENCE = 60
TO_NODES = ("/events", "/channels/")


class Fault(AssertionError):
    """What a case did not find as it must be, in words."""


def expect(holds, what):
    if not holds:
        raise Fault(what)


class Passed:
    """A request that went on to a node, and its answer so far."""

    def __init__(self, command, target, headers, changed):
        self.command, self.target, self.headers, self.changed, self.answer = command, target, headers, changed, b""

    def note(self, answer):
        with self.changed:
            self.answer = answer
            self.changed.notify_all()

    @property
    def by(self):
        """Which attempt of a page it was: the page says it in the query, where nodes ignore it."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query)).get("by", "")

    @property
    def status(self):
        """0 until it is answered."""
        return int(self.answer.split(b" ", 2)[1]) if self.answer else 0

    def answered(self, header):
        head = self.answer.partition(b"\r\n\r\n")[0].decode("latin-1").lower().split("\r\n")[1:]
        return next((line.partition(":")[2].strip() for line in head if line.startswith(f"{header}:")), None)

    def says(self, text):
        return text.encode() in self.answer


class Site:
    """One case on a site of its own: what its pages heard, and what they asked nodes for."""

    def __init__(self, front, name, case, way, publish):
        self.front, self.name, self.case, self.way, self.channel = front, name, case, way, name
        self.heard, self.passed, self.changed, self.published = [], [], threading.Condition(), 0
        self.put = publish
        front.sites[name] = self

    def origin(self, label):
        """`evil` is another site altogether; the others are hosts of this one."""
        site = f"{self.name}-elsewhere" if label == "evil" else self.name
        return f"http://{label}.{site}.localhost:{self.front.port}"

    def hear(self, words):
        with self.changed:
            self.heard += words
            self.changed.notify_all()

    def await_that(self, what, holds):
        with self.changed:
            expect(self.changed.wait_for(holds, PATIENCE), f"waited {PATIENCE} s in vain: {what}; heard {self.heard[-5:]}")

    def all_heard(self, by, name):
        """The data of all events of a name that an attempt of a page heard."""
        return [data for who, event, data in self.heard if (who, event) == (by, name)]

    def await_heard(self, by, name, times=1):
        self.await_that(f"{name} by {by}", lambda: len(self.all_heard(by, name)) >= times)

    def publish(self, count=1):
        """The next numbers."""
        for _ in range(count):
            self.published += 1
            self.put(self.channel, str(self.published))

    def expect_everything(self, by):
        """That an attempt hears every number once and in order."""
        self.await_that(f"event {self.published} by {by}", lambda: str(self.published) in self.all_heard(by, "message"))
        told = [int(data) for data in self.all_heard(by, "message")]
        wanted = list(range(1, self.published + 1))
        lost, doubled = [number for number in wanted if number not in told], [number for number in wanted if told.count(number) > 1]
        expect(told == wanted, f"{by}: of {len(wanted)} events {len(lost)} lost {lost[:3]}, {len(doubled)} heard twice {doubled[:3]}")
        expect(not self.all_heard(by, "$gap"), f"{by}: told of a gap: {self.all_heard(by, '$gap')}")

    def streams(self):
        return [passed for passed in self.passed if passed.command == "GET"]

    def asked(self, by):
        return [passed for passed in self.passed if passed.by == by]


class Front:
    """`nodes`: by the label of the host that leads to each, set before a browser comes. `sessions`: what the application says of each."""

    def __init__(self):
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                front.serve(self)

            do_POST = do_OPTIONS = do_GET

            def log_message(self, *_):
                pass

        self.nodes, self.sites, self.sessions = {}, {}, {}
        self.server = WebServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()

    def start_page(self, sites):
        """Where a browser begins: it opens the application of each of these sites."""
        names = ",".join(site.name for site in sites)
        return f"http://127.0.0.1:{self.port}/start?{names}"

    def serve(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        path, _, query = request.path.partition("?")
        labels = request.headers["Host"].partition(":")[0].split(".")
        site = self.sites.get(labels[1].removesuffix("-elsewhere")) if labels[-1] == "localhost" else None
        if path == "/authorize":
            self.authorize(request)
        elif path == "/start":
            pages = [self.sites[name].origin("app") for name in query.split(",")]
            answer(request, 200, "".join(f"<script>open({json.dumps(page)}, '_blank', 'noopener')</script>" for page in pages))
        elif site and request.path.startswith(TO_NODES):
            self.pass_to_node(request, site, self.nodes[labels[0]])
        elif site and path == "/":
            answer(request, 200, site.case.page(site, labels[0]))
        elif site and path == "/said":
            site.hear(json.loads(body))
            answer(request, 204)
        elif site and path == "/enter":
            wanted = json.loads(body)
            cookies, entry = site.way.enter(site, wanted["to"], site.case.kind(site, wanted["kind"]))
            url = f"{site.origin(wanted['to'])}/events?channel={site.channel}"
            answer(request, 200, json.dumps({"url": url, **entry}), [("Set-Cookie", cookie) for cookie in cookies])
        else:
            answer(request, 404)

    def authorize(self, request):
        """What a node asks: whose session is it, and what is allowed."""
        pairs = [pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";")]
        known = [self.sessions[value] for name, _, value in pairs if name.endswith("-sid") and value in self.sessions]
        status, allowed = known[0] if known else (401, None)
        answer(request, status, json.dumps(allowed) if allowed else "", kind="application/json")

    def pass_to_node(self, request, site, node):
        request.close_connection = True
        passed = Passed(request.command, request.path, request.headers, site.changed)
        with site.changed:
            site.passed.append(passed)
        lines = [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "connection"]
        head = "\r\n".join([f"{request.command} {request.path} HTTP/1.1", *lines, "Connection: close", "", ""])
        try:
            with socket.create_connection(("127.0.0.1", node.port), timeout=5) as server:
                server.settimeout(None)
                server.sendall(head.encode("latin-1"))
                pass_on(server, request.connection, passed)
        except OSError:
            pass


def answer(request, status, text="", headers=(), kind="text/html; charset=utf-8"):
    body = text.encode()
    request.send_response(status)
    for name, value in [("Content-Type", kind), *headers]:
        request.send_header(name, value)
    if status != 204:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
