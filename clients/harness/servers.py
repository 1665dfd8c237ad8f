"""Redis and nodes, as real processes on free ports of the loopback interface."""

import http.client
import http.server
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

from . import ports

PATIENCE = 30
PATH = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"


def await_that(what, holds, process=None):
    """Waits until a condition holds; fails with its name after PATIENCE seconds, and at once when the process has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except OSError:
            pass
        if process and process.poll() is not None:
            raise AssertionError(f"in vain: {what}; the process ended with {process.returncode}:\n{last_words(process)}")
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s in vain: {what}" + (f":\n{last_words(process)}" if process else ""))


def get(port, path, headers=()):
    """What a server of this machine answers to a GET: the status, the headers and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def status_of(port, path):
    """Only the status."""
    return get(port, path)[0]


def last_words(process):
    return process.log.read_text(errors="replace")[-2000:]


class Processes:
    """What was started, each in a process group of its own, so that all of it is ended."""

    def __init__(self, scratch):
        self.scratch = pathlib.Path(scratch)
        self.running = []
        self.lock = threading.Lock()

    def start(self, name, command, stdout=None, **options):
        env = {**os.environ, "PATH": PATH, **options.pop("env", {})}
        path = self.scratch / f"{name}.log"
        with open(path, "a") as log:
            process = subprocess.Popen(command, env=env, stdout=stdout or log, stderr=log, start_new_session=True, **options)
        process.log = path
        with self.lock:
            self.running.append(process)
        return process

    def end(self, process):
        """Without any notice, with whatever it has started: nginx has workers, a browser dozens."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        with self.lock:
            if process in self.running:
                self.running.remove(process)

    def end_all(self):
        for process in list(reversed(self.running)):
            self.end(process)


class WebServer(http.server.ThreadingHTTPServer):
    """One for pages of a browser."""

    def handle_error(self, request, client_address):
        """Browsers leave in the midst of anything."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Redis:
    """A redis-server, and one connection that publishes through the function that the nodes load."""

    def __init__(self, processes):
        self.port = ports.take()
        # A file, because CONFIG REWRITE asks for one.
        settings = processes.scratch / "redis.conf"
        settings.write_text(f'port {self.port}\nbind 127.0.0.1\nsave ""\ndir {processes.scratch}\n')
        process = processes.start("redis", ["redis-server", str(settings)])
        await_that("redis-server listens", lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None, process)
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.lines = self.socket.makefile("rb")
        self.lock = threading.Lock()

    def command(self, *words):
        words = [word.encode() for word in words]
        with self.lock:
            self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            line = self.lines.readline()
            if line[:1] == b"-":
                raise AssertionError(f"redis: {line.decode().strip()}")
            if line[:1] == b"$":
                return self.lines.read(int(line[1:]) + 2)[:-2].decode()
            return line[1:].strip().decode()

    def publish(self, channel, text):
        return self.command("FCALL", "sse_publish", "1", f"sse:{channel}", "DATA", text)


class Node:
    """A node. `redis_port=None` gives it a Redis that is away, so that it refuses every stream politely. `file`: what stands in its
    configuration file, where issuers can be named and nowhere else. `listens=False`: where it listens for clients stands there, too."""

    def __init__(self, processes, binary, name, redis_port, options=(), defaults=False, env=None, file=None, listens=True):
        self.processes, self.binary, self.name, self.file, self.listens = processes, binary, name, file, listens
        self.port, self.admin = ports.take(), ports.take()
        self.redis_port, self.env = redis_port or ports.take(), env or {}
        self.wanted = "/readyz" if redis_port else "/livez"
        # One core and every origin suit a harness that runs many nodes and pages.
        self.options = [*options] if defaults else ["server.cores=1", 'server.cors_origins=["*"]', *options]
        self.start()

    def start(self):
        settings = [*([f"server.listen=127.0.0.1:{self.port}"] if self.listens else []), f"admin.listen=127.0.0.1:{self.admin}",
                    f"redis.url=redis://127.0.0.1:{self.redis_port}", *self.options]
        command = [self.binary, "serve"]
        if self.file is not None:
            # Of nodes of one name that start side by side, none reads what another is about to write.
            path = self.processes.scratch / f"{self.name}-{self.port}.toml"
            path.write_text(self.file)
            command += ["--config", str(path)]
        for setting in settings:
            command += ["--set", setting]
        self.process = self.processes.start(self.name, command, env=self.env)
        await_that(f"node {self.name} is up", lambda: self.status(self.wanted) == 200, self.process)

    def status(self, path):
        return status_of(self.admin, path)

    def metric(self, name):
        """The value of a metric without labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        return next(int(line.split(" ")[1]) for line in lines if line.startswith(f"{name} "))

    def drain(self):
        self.process.send_signal(signal.SIGTERM)

    def restart(self):
        """Without any notice to its clients."""
        self.processes.end(self.process)
        self.start()
