#!/usr/bin/env python3
"""Runs HAProxy and nginx with the files of deploy/ in front of two nodes, on loopback, and looks at what clients get.

For each balancer: events pass as they come; both nodes get clients; a limit per address is each client's, whatever the
client writes into the header itself; a client whose channels no node can open keeps no other client out; when one node
drains, its clients resume on the other one and no event is missing or doubled; when no node is left, a subscription is told to come back (200, `retry:`) and a publish is told the truth (5xx).
HAProxy is tried twice: as it is, and with the PROXY protocol in place of X-Forwarded-For. So is nginx: by TCP, and over Unix
sockets, beside which each node has its port.

Usage: check-balancers.py FANFARE_BINARY
"""

import http.client
import pathlib
import re
import secrets
import socket
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients"))
from harness import ports  # noqa: E402
from harness.servers import PATIENCE, Processes, Redis, await_that  # noqa: E402

# Two loopback addresses: the nodes have the same ports, as they have in containers.
HOSTS = ["127.0.0.2", "127.0.0.3"]
CLIENTS = 8
# What a node allows an address: more than the clients of one address that are here at a time.
PER_ADDRESS = 12
# What a node has places for: a client that asks for as many at once does not get them while another channel is open.
CHANNELS_PER_NODE = 64


def get(host, port, path):
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def listens(host, port):
    with socket.create_connection((host, port), timeout=1):
        return True


class Client(threading.Thread):
    """An EventSource: keeps its last event id, reconnects after `retry:`, and counts what it sees."""

    def __init__(self, port, channel, last):
        super().__init__(daemon=True)
        self.port, self.channel, self.last = port, channel, last
        self.position, self.retry, self.numbers = "", 0.1, []
        self.connects, self.refused, self.primed, self.problem = 0, 0, threading.Event(), None

    def run(self):
        try:
            while not self.numbers or self.numbers[-1] != self.last:
                self.connect()
        except Exception as error:  # noqa: BLE001 - whatever it was is the verdict
            self.problem = repr(error)

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
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
        # Browsers wait for what they were told; a test shortens it.
        time.sleep(min(self.retry, 0.2))

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

    def __init__(self, processes, binary, refusal, proxy_protocol, has_sockets):
        self.processes = processes
        self.redis, self.port, self.admin = Redis(processes), ports.take(HOSTS), ports.take(HOSTS)
        self.key = secrets.token_urlsafe(24)
        self.nodes = {}
        for host in HOSTS:
            env = {
                "FANFARE__REDIS__URL": f"redis://127.0.0.1:{self.redis.port}",
                "FANFARE__SERVER__LISTEN": f"{host}:{self.port}",
                "FANFARE__ADMIN__LISTEN": f"{host}:{self.admin}",
                "FANFARE__ADMISSION__REFUSAL": refusal,
                "FANFARE__ADMISSION__PER_ADDRESS": str(PER_ADDRESS),
                "FANFARE__LIMITS__CHANNELS_PER_NODE": str(CHANNELS_PER_NODE),
                "FANFARE__SERVER__TRUSTED_PROXIES": "127.0.0.1",
                "FANFARE__SERVER__PROXY_PROTOCOL": proxy_protocol,
                "FANFARE__PUBLISH__KEY": self.key,
                "FANFARE__DRAIN__WINDOW": "2s",
            }
            command = [binary, "serve"]
            if has_sockets:
                listen = env.pop("FANFARE__SERVER__LISTEN")
                # nginx's workers are another user's.
                table = f'[[server.listen]]\naddress = "unix:{self.socket(host)}"\ntrusted = true\nmode = "0666"\n'
                file = processes.scratch / f"{host}.toml"
                file.write_text(f'{table}[[server.listen]]\naddress = "{listen}"\n')
                command += ["--config", str(file)]
            self.nodes[host] = processes.start(f"node-{host}", command, env=env)
        for host, node in self.nodes.items():
            await_that(f"node {host} is ready", lambda host=host: get(host, self.admin, "/readyz")[0] == 200, node)
        # Nodes are ready without the functions: they may run where they must not load them.
        await_that("the functions are loaded", self.has_functions)

    def socket(self, host):
        return self.processes.scratch / f"{host}.sock"

    def has_functions(self):
        try:
            return int(self.redis.command("FCALL_RO", "sse_version", "0")) >= 1
        except AssertionError:
            return False

    def connections(self, host):
        text = get(host, self.admin, "/metrics")[1].decode()
        found = re.search(r"^fanfare_sessions (\d+)", text, re.M) or re.search(r"^fanfare_connections (\d+)", text, re.M)
        assert found, "no metric tells the number of connections"
        return int(found.group(1))


def haproxy(processes, scratch, fleet, port, change=lambda text: text):
    text = change((ROOT / "deploy/haproxy/haproxy.cfg").read_text())
    servers = "\n".join(f"    server node{i} {host}:{fleet.port}" for i, host in enumerate(HOSTS))
    text, count = re.subn(r"^    server-template .*$", servers, text, flags=re.M)
    assert count == 2, "both backends have a server-template"
    text = text.replace("check port 9090", f"check port {fleet.admin}")
    text = text.replace("bind :8080", f"bind 127.0.0.1:{port}").replace("bind :8404", f"bind 127.0.0.1:{ports.take()}")
    (scratch / "haproxy.cfg").write_text(text)
    (scratch / "later.http").write_bytes((ROOT / "deploy/haproxy/later.http").read_bytes())
    return processes.start("haproxy", ["haproxy", "-f", str(scratch / "haproxy.cfg")])


def haproxy_with_proxy_protocol(processes, scratch, fleet, port):
    def change(text):
        text, count = re.subn(r"^    option forwardfor\n", "", text, flags=re.M)
        assert count == 1, "the frontend appends to X-Forwarded-For"
        return text.replace("default-server check", "default-server send-proxy-v2 check")

    return haproxy(processes, scratch, fleet, port, change)


def nginx(processes, scratch, fleet, port, address=lambda fleet, host: f"{host}:{fleet.port}"):
    text = (ROOT / "deploy/nginx/nginx.conf").read_text()
    (scratch / "nginx.conf").write_text(text.replace("listen 8080", f"listen 127.0.0.1:{port}"))
    nodes = (ROOT / "deploy/nginx/nodes.conf").read_text()
    for name, host in zip(["node-a", "node-b"], HOSTS):
        nodes = nodes.replace(f"{name}:8080", address(fleet, host))
    (scratch / "nodes.conf").write_text(nodes)
    directives = f"daemon off; pid {scratch}/nginx.pid; error_log stderr;"
    return processes.start("nginx", ["nginx", "-p", str(scratch), "-c", str(scratch / "nginx.conf"), "-g", directives])


def nginx_over_sockets(processes, scratch, fleet, port):
    return nginx(processes, scratch, fleet, port, lambda fleet, host: f"unix:{fleet.socket(host)}")


def subscriptions_pass_and_resume(fleet, port, name):
    channel, last = f"check-{name}", 200
    clients = [Client(port, channel, last) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        assert client.primed.wait(PATIENCE), f"no priming id through {name}: {client.problem}"
    # One event, alone: whoever buffers keeps it.
    fleet.redis.publish(channel, "1")
    await_that(f"a single event passes {name} at once", lambda: all(c.numbers == [1] for c in clients))
    spread = [fleet.connections(host) for host in HOSTS]
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


def hold(port, source, query="channel=held"):
    """A stream from this address, or None if it was told to come back. It tries to pass for somebody else."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(source, 0))
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
    await_that("the nodes notice that these clients have gone", lambda: all(fleet.connections(host) == 0 for host in HOSTS))
    assert time.monotonic() - start < 5, f"the nodes noticed after {time.monotonic() - start:.0f} s"


def addresses_are_the_clients(fleet, port, name):
    greedy, other, streams = "127.0.0.91", "127.0.0.92", []
    # Both nodes have places for the address.
    for _ in range(2 * PER_ADDRESS + 1):
        stream = hold(port, greedy)
        if stream is None:
            break
        streams.append(stream)
    assert len(streams) >= PER_ADDRESS, f"{name}: an address got {len(streams)} streams of {PER_ADDRESS} on each of two nodes"
    assert len(streams) <= 2 * PER_ADDRESS, f"{name}: one address got {len(streams)} streams"
    stream = hold(port, other)
    assert stream is not None, f"{name}: a client is refused because another one has too many streams"
    let_go(fleet, [*streams, stream])
    return len(streams)


def a_refused_client_is_the_only_one(fleet, port, name):
    """No node has places for what one client asks for: it is told to come back, and only that client is."""
    greedy, other, streams = "127.0.0.93", "127.0.0.94", []
    for _ in range(4):
        streams.append(hold(port, other))
    assert None not in streams and all(fleet.connections(host) for host in HOSTS), f"{name}: both nodes have the channel open"
    many = "&".join(f"channel=many-{number}" for number in range(CHANNELS_PER_NODE))
    for _ in range(4):
        assert hold(port, greedy, many) is None, f"{name}: the nodes have room for {CHANNELS_PER_NODE} channels more"
        stream = hold(port, other)
        assert stream is not None, f"{name}: a client is refused because another one asks for too many channels"
        streams.append(stream)
    let_go(fleet, streams)


def publishing_passes(fleet, port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", f"/channels/posted-{name}/events", "hello", {"Authorization": f"Bearer {fleet.key}"})
    response = connection.getresponse()
    assert response.status in (200, 201, 202), f"{name}: a publish is answered with {response.status} {response.read()}"
    connection.close()


def nobody_left(fleet, port, name):
    """The balancer's own words."""
    fleet.processes.end(fleet.nodes[HOSTS[1]])

    def told_to_come_back():
        status, body = get("127.0.0.1", port, "/events?channel=x")
        assert status == 200, f"{name} answers a subscription with {status}: browsers give up for ever"
        return re.fullmatch(rb"retry: \d{4,5}\n\n", body) is not None

    await_that(f"{name} tells a subscription to come back", told_to_come_back)
    status, _ = get("127.0.0.1", port, "/events?channel=x&close=abort")
    assert status == 503, f"{name} answers {status} to a client that takes a clean end for the end of the matter"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", "/channels/x/events", "hello", {"Authorization": f"Bearer {fleet.key}"})
    status = connection.getresponse().status
    assert status >= 500, f"{name} answers a publish that nobody took with {status}"
    connection.close()


def check(binary, name, start, refusal, proxy_protocol="off", has_sockets=False):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        # nginx's workers give up root and read their files as somebody else.
        scratch.chmod(0o755)
        processes = Processes(scratch)
        try:
            fleet = Fleet(processes, binary, refusal, proxy_protocol, has_sockets)
            port = ports.take()
            balancer = start(processes, scratch, fleet, port)
            await_that(f"{name} listens", lambda: listens("127.0.0.1", port), balancer)
            publishing_passes(fleet, port, name)
            held = addresses_are_the_clients(fleet, port, name)
            a_refused_client_is_the_only_one(fleet, port, name)
            spread, moved = subscriptions_pass_and_resume(fleet, port, name)
            nobody_left(fleet, port, name)
            print(f"{name}: {CLIENTS} clients spread as {spread}, {moved} moved during a drain, nothing missing or doubled")
            print(f"{name}: an address that took {held} streams kept no other address out")
        except BaseException:
            for log in sorted(scratch.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
            raise
        finally:
            processes.end_all()


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    chosen = sys.argv[2:] or ["haproxy", "haproxy-proxy-protocol", "nginx", "nginx-sockets"]
    try:
        if "haproxy" in chosen:
            check(binary, "haproxy", haproxy, "polite")
        if "haproxy-proxy-protocol" in chosen:
            check(binary, "haproxy-proxy-protocol", haproxy_with_proxy_protocol, "polite", "on")
        if "nginx" in chosen:
            check(binary, "nginx", nginx, "status")
        if "nginx-sockets" in chosen:
            check(binary, "nginx-sockets", nginx_over_sockets, "status", has_sockets=True)
    except AssertionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
