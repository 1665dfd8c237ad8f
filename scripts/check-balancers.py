#!/usr/bin/env python3
"""Runs HAProxy and nginx in front of two nodes, on loopback, and looks at what clients get. Each runs with the file of deploy/ and with what
docs/tls.md and deploy/README.md say may be otherwise: balancers.py has these variants.

For each: events pass as they come; both nodes get clients; a limit per address is each client's, whatever the client writes into the
header itself; a client whose channels no node can open keeps no other client out; when one node drains, its clients resume on the other
one and no event is missing or doubled; when no node is left, a subscription is told to come back (200, `retry:`) and a publish is told
the truth (5xx), or, where the balancer passes bytes on, connections are closed.

Usage: check-balancers.py FANFARE_BINARY [VARIANT]...
"""

import concurrent.futures
import http.client
import pathlib
import re
import secrets
import socket
import ssl
import sys
import tempfile
import threading
import time

from balancers import HOSTS, VARIANTS  # It says where the harness is, too.
from harness import ports
from harness.authority import Authority
from harness.servers import PATIENCE, Processes, Redis, await_that

# So many variants run side by side. Most of their time is waiting.
AT_A_TIME = 3
CLIENTS = 8
# What a node allows an address: more than the clients of one address that are here at a time.
PER_ADDRESS = 12
# What a node has places for: a client that asks for as many at once does not get them while another channel is open.
CHANNELS_PER_NODE = 64


def get(connection, path):
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Frontend:
    """Where clients reach the balancer: over TLS, if the nodes have an authority. `plain`: a port for those who come without TLS."""

    def __init__(self, authority):
        self.port, self.plain = ports.take(), ports.take()
        self.context = authority and ssl.create_default_context(cafile=authority.root)

    def connection(self, source="127.0.0.1"):
        options = {"timeout": PATIENCE, "source_address": (source, 0)}
        if self.context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, **options)
        return http.client.HTTPConnection("127.0.0.1", self.port, **options)

    def listens(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True


class Client(threading.Thread):
    """An EventSource: keeps its last event id, reconnects after `retry:`, and counts what it sees."""

    def __init__(self, frontend, channel, last):
        super().__init__(daemon=True)
        self.frontend, self.channel, self.last = frontend, channel, last
        self.position, self.retry, self.numbers = "", 0.1, []
        self.connects, self.refused, self.primed, self.problem = 0, 0, threading.Event(), None

    def run(self):
        try:
            while not self.numbers or self.numbers[-1] != self.last:
                try:
                    self.connect()
                except OSError:
                    # Where bytes are passed on, a node that goes away is an error of the network: browsers come back by themselves.
                    if not self.frontend.context:
                        raise
                # Browsers wait for what they were told; a test shortens it.
                time.sleep(min(self.retry, 0.2))
        except Exception as error:  # noqa: BLE001 - whatever it was is the verdict
            self.problem = repr(error)

    def connect(self):
        connection = self.frontend.connection()
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self.position} if self.position else {})}
        connection.request("GET", f"/events?channel={self.channel}", headers=headers)
        response = connection.getresponse()
        assert response.status == 200, f"status {response.status}"
        assert response.headers["Content-Type"].startswith("text/event-stream"), response.headers["Content-Type"]
        self.connects += 1
        before = self.position
        self.read(response)
        connection.close()
        if self.position == before and not self.numbers:
            self.refused += 1

    def read(self, response):
        data, name, position = [], "", self.position
        for raw in iter(response.readline, b""):
            line = raw.decode().rstrip("\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line == "":
                self.position = position
                if position:
                    self.primed.set()
                assert name != "$gap", f"{name}: {data}"
                if data and not name.startswith("$"):
                    assert not name, f"{name}: {data}"
                    self.numbers.append(int("\n".join(data)))
                    if self.numbers[-1] == self.last:
                        return
                data, name = [], ""
            elif field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                position = value
            elif field == "retry":
                self.retry = int(value) / 1000


class Fleet:
    """Redis and two nodes."""

    def __init__(self, processes, binary, variant):
        self.processes, self.scratch = processes, processes.scratch
        self.redis, self.port, self.admin = Redis(processes), ports.take(HOSTS), ports.take(HOSTS)
        self.authority = Authority(self.scratch) if variant.passes_bytes_on else None
        self.key = secrets.token_urlsafe(24)
        env = {
            "FANFARE__REDIS__URL": f"redis://127.0.0.1:{self.redis.port}",
            "FANFARE__ADMISSION__REFUSAL": variant.refusal,
            "FANFARE__ADMISSION__PER_ADDRESS": str(PER_ADDRESS),
            "FANFARE__LIMITS__CHANNELS_PER_NODE": str(CHANNELS_PER_NODE),
            "FANFARE__PUBLISH__KEY": self.key,
            "FANFARE__DRAIN__WINDOW": "2s",
        }
        self.nodes = {}
        for host in HOSTS:
            file = self.scratch / f"{host}.toml"
            file.write_text(variant.nodes(self, host))
            self.nodes[host] = processes.start(f"node-{host}", [binary, "serve", "--config", str(file)], env=env)
        for host, node in self.nodes.items():
            await_that(f"node {host} is ready", lambda host=host: self.ask(host, "/readyz")[0] == 200, node)
        # Nodes are ready without the functions: they may run where they must not load them.
        await_that("the functions are loaded", self.has_functions)

    def ask(self, host, path):
        """The admin listener of a node."""
        return get(http.client.HTTPConnection(host, self.admin, timeout=5), path)

    def socket(self, host):
        return self.scratch / f"{host}.sock"

    def has_functions(self):
        try:
            return int(self.redis.command("FCALL_RO", "sse_version", "0")) >= 1
        except AssertionError:
            return False

    def metric(self, host, name):
        found = re.search(rf"^{name} (\d+)", self.ask(host, "/metrics")[1].decode(), re.M)
        assert found, f"there is no metric {name}"
        return int(found.group(1))

    def streams(self, host):
        return self.metric(host, "fanfare_sessions")


def subscriptions_pass_and_resume(fleet, frontend, name):
    channel, last = f"check-{name}", 200
    clients = [Client(frontend, channel, last) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        assert client.primed.wait(PATIENCE), f"no priming id through {name}: {client.problem}"
    # One event, alone: whoever buffers keeps it.
    fleet.redis.publish(channel, "1")
    await_that(f"a single event passes {name} at once", lambda: all(c.numbers == [1] for c in clients))
    spread = [fleet.streams(host) for host in HOSTS]
    assert min(spread) >= CLIENTS // 4, f"{name} spreads {CLIENTS} clients as {spread}"
    # One node drains while events go on.
    draining = fleet.nodes[HOSTS[0]]
    draining.terminate()
    for number in range(2, last + 1):
        fleet.redis.publish(channel, str(number))
        time.sleep(0.01)
    for client in clients:
        client.join(PATIENCE)
        assert client.problem is None, f"{name}: {client.problem}"
        assert client.numbers == list(range(1, last + 1)), f"{name}: missing or doubled: {client.numbers}"
    draining.wait(PATIENCE)
    assert draining.returncode == 0, f"the drained node exited with {draining.returncode}"
    moved = sum(client.connects > 1 for client in clients)
    assert moved >= CLIENTS // 4, f"only {moved} clients had to move"
    return spread, moved


def hold(frontend, source, query="channel=held"):
    """A stream from this address, or None if it was told to come back. It tries to pass for somebody else."""
    connection = frontend.connection(source)
    headers = {"Accept": "text/event-stream", "X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1"}
    connection.request("GET", f"/events?{query}", headers=headers)
    response = connection.getresponse()
    lines = response.readline(), response.readline()
    assert response.status == 200 and lines[0].startswith(b"retry: "), f"{response.status} {lines}"
    if lines[1].startswith(b"id: "):
        return connection, response
    connection.close()
    return None


def let_go(fleet, streams):
    """Closes what was held, and waits until the nodes know."""
    for connection, response in streams:
        response.close()
        connection.close()
    # Nothing is written meanwhile: a balancer that does not pass it on by itself would need two heartbeats.
    start = time.monotonic()
    await_that("the nodes notice that these clients have gone", lambda: all(fleet.streams(host) == 0 for host in HOSTS))
    assert time.monotonic() - start < 5, f"the nodes noticed after {time.monotonic() - start:.0f} s"


def addresses_are_the_clients(fleet, frontend, name):
    greedy, other, streams = "127.0.0.91", "127.0.0.92", []
    # Both nodes have places for the address.
    for _ in range(2 * PER_ADDRESS + 1):
        stream = hold(frontend, greedy)
        if stream is None:
            break
        streams.append(stream)
    assert len(streams) >= PER_ADDRESS, f"{name}: an address got {len(streams)} streams of {PER_ADDRESS} on each of two nodes"
    assert len(streams) <= 2 * PER_ADDRESS, f"{name}: one address got {len(streams)} streams"
    stream = hold(frontend, other)
    assert stream is not None, f"{name}: a client is refused because another one has too many streams"
    let_go(fleet, [*streams, stream])
    return len(streams)


def a_refused_client_is_the_only_one(fleet, frontend, name):
    """No node has places for what one client asks for: it is told to come back, and only that client is."""
    greedy, other, streams = "127.0.0.93", "127.0.0.94", []
    for _ in range(4):
        streams.append(hold(frontend, other))
    assert None not in streams and all(fleet.streams(host) for host in HOSTS), f"{name}: both nodes have the channel open"
    many = "&".join(f"channel=many-{number}" for number in range(CHANNELS_PER_NODE))
    for _ in range(4):
        assert hold(frontend, greedy, many) is None, f"{name}: the nodes have room for {CHANNELS_PER_NODE} channels more"
        stream = hold(frontend, other)
        assert stream is not None, f"{name}: a client is refused because another one asks for too many channels"
        streams.append(stream)
    let_go(fleet, streams)


def publishing_passes(fleet, frontend, name):
    connection = frontend.connection()
    connection.request("POST", f"/channels/posted-{name}/events", "hello", {"Authorization": f"Bearer {fleet.key}"})
    response = connection.getresponse()
    assert response.status in (200, 201, 202), f"{name}: a publish is answered with {response.status} {response.read()}"
    connection.close()


def nobody_left(fleet, frontend, name):
    """The balancer's own words."""
    fleet.processes.end(fleet.nodes[HOSTS[1]])

    def told_to_come_back():
        status, body = get(frontend.connection(), "/events?channel=x")
        assert status == 200, f"{name} answers a subscription with {status}: browsers give up for ever"
        return re.fullmatch(rb"retry: \d{4,5}\n\n", body) is not None

    await_that(f"{name} tells a subscription to come back", told_to_come_back)
    status, _ = get(frontend.connection(), "/events?channel=x&close=abort")
    assert status == 503, f"{name} answers {status} to a client that takes a clean end for the end of the matter"
    connection = frontend.connection()
    connection.request("POST", "/channels/x/events", "hello", {"Authorization": f"Bearer {fleet.key}"})
    status = connection.getresponse().status
    assert status >= 500, f"{name} answers a publish that nobody took with {status}"
    connection.close()


def connections_are_closed(fleet, frontend, name):
    """What a balancer says that passes bytes on: nothing, so that nothing ends an EventSource."""
    fleet.processes.end(fleet.nodes[HOSTS[1]])
    for _ in range(2):
        assert frontend.listens()
        connection = frontend.connection()
        try:
            connection.request("GET", "/events?channel=x")
            seen = f"answers {connection.getresponse().status}"
        except TimeoutError:
            seen = "keeps the connection open"
        except OSError:
            continue
        finally:
            connection.close()
        raise AssertionError(f"{name} {seen} though no node is left")


def those_without_tls_are_sent_to_it(frontend, name):
    connection = http.client.HTTPConnection("127.0.0.1", frontend.plain, timeout=PATIENCE)
    connection.request("GET", "/events?channel=x")
    response = connection.getresponse()
    seen = response.status, response.headers["Location"]
    connection.close()
    assert seen == (308, "https://127.0.0.1:8443/events?channel=x"), f"{name}: {seen}"


def nodes_are_spoken_to_over_h2c(fleet, frontend, name, shared):
    streams = [hold(frontend, "127.0.0.95") for _ in range(PER_ADDRESS)]
    assert None not in streams, f"{name}: the nodes have places for {PER_ADDRESS} streams"
    seen = [[fleet.metric(host, f"fanfare_{what}") for what in ("http2_connections_total", "connections", "sessions")] for host in HOSTS]
    assert all(spoken for spoken, _, _ in seen), f"{name} speaks HTTP/1.1 to a node: {seen}"
    if shared:
        assert all(connections < sessions for _, connections, sessions in seen), f"{name} has no streams on one connection: {seen}"
    let_go(fleet, streams)


def look(fleet, frontend, name, variant):
    publishing_passes(fleet, frontend, name)
    held = addresses_are_the_clients(fleet, frontend, name)
    a_refused_client_is_the_only_one(fleet, frontend, name)
    if variant.is_h2c:
        nodes_are_spoken_to_over_h2c(fleet, frontend, name, variant.shares_connections)
    if variant.redirects:
        those_without_tls_are_sent_to_it(frontend, name)
    spread, moved = subscriptions_pass_and_resume(fleet, frontend, name)
    (connections_are_closed if variant.passes_bytes_on else nobody_left)(fleet, frontend, name)
    return (f"{name}: {CLIENTS} clients spread as {spread}, {moved} moved during a drain, nothing missing or doubled\n"
            f"{name}: an address that took {held} streams kept no other address out")


def check(binary, name):
    """What was seen, in words."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        # nginx's workers give up root and read their files as somebody else.
        scratch.chmod(0o755)
        processes = Processes(scratch)
        try:
            fleet = Fleet(processes, binary, VARIANTS[name])
            frontend = Frontend(fleet.authority)
            balancer = VARIANTS[name].start(fleet, frontend)
            await_that(f"{name} listens", frontend.listens, balancer)
            return look(fleet, frontend, name, VARIANTS[name])
        except BaseException:
            logs = [f"--- {name}, {log.name}\n{log.read_text()[-2000:]}" for log in sorted(scratch.glob("*.log"))]
            print("\n".join(logs), file=sys.stderr)
            raise
        finally:
            processes.end_all()


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    faults = 0
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for name, seen in [(name, pool.submit(check, binary, name)) for name in sys.argv[2:] or VARIANTS]:
            try:
                print(seen.result())
            except Exception as error:  # noqa: BLE001 - whatever it was is the verdict
                print(f"error: {name}: {type(error).__name__}: {error}", file=sys.stderr)
                faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
