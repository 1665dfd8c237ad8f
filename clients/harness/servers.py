"""Redis and nodes, as real processes on free ports of the loopback interface."""

import http.client
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

PATIENCE = 30
PATH = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_that(what, holds):
    """Waits until a condition holds; fails with its name after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s in vain: {what}")


class Processes:
    """What was started, so that all of it is ended."""

    def __init__(self, scratch):
        self.scratch = pathlib.Path(scratch)
        self.running = []
        self.lock = threading.Lock()

    def start(self, name, command, stdout=None, **options):
        log = open(self.scratch / f"{name}.log", "a")
        env = {**os.environ, "PATH": PATH, **options.pop("env", {})}
        process = subprocess.Popen(command, env=env, stdout=stdout or log, stderr=log, **options)
        with self.lock:
            self.running.append(process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        with self.lock:
            if process in self.running:
                self.running.remove(process)

    def end_all(self):
        for process in list(reversed(self.running)):
            self.end(process)


class Redis:
    """A redis-server, and one connection that publishes through the function that the nodes load."""

    def __init__(self, processes):
        self.port = free_port()
        # A file, because CONFIG REWRITE asks for one.
        settings = processes.scratch / "redis.conf"
        settings.write_text(f'port {self.port}\nbind 127.0.0.1\nsave ""\ndir {processes.scratch}\n')
        processes.start("redis", ["redis-server", str(settings)])
        await_that("redis-server listens", lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None)
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
    """A node. `redis_port=None` gives it a Redis that is away, so that it refuses every stream politely."""

    def __init__(self, processes, binary, name, redis_port, options=(), defaults=False, env=None):
        self.processes, self.binary, self.name = processes, binary, name
        self.port, self.admin = free_port(), free_port()
        self.redis_port, self.env = redis_port, env or {}
        # One core and every origin suit a harness that runs many nodes and pages.
        self.options = [*options] if defaults else ["server.cores=1", 'server.cors_origins=["*"]', *options]
        self.start()

    def start(self):
        settings = [f"server.listen=127.0.0.1:{self.port}", f"admin.listen=127.0.0.1:{self.admin}",
                    f"redis.url=redis://127.0.0.1:{self.redis_port or free_port()}", *self.options]
        command = [self.binary, "serve"]
        for setting in settings:
            command += ["--set", setting]
        self.process = self.processes.start(self.name, command, env=self.env)
        wanted = "/readyz" if self.redis_port else "/livez"
        await_that(f"node {self.name} is up", lambda: self.status(wanted) == 200)

    def status(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def drain(self):
        self.process.send_signal(signal.SIGTERM)

    def restart(self):
        """Without any notice to its clients."""
        self.processes.end(self.process)
        self.start()
