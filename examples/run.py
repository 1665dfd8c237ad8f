#!/usr/bin/env python3
"""Runs an example: a Redis and a node, unless they are given, and the example's server or publisher. Ctrl-C ends all of it.

Usage: run.py [NAME]                     without a name it lists them; ../mine is a folder of yours
       FANFARE_BIN=target/debug/fanfare  the node's program
       REDIS_URL=redis://…               a Redis that runs elsewhere: the examples publish below `sse:`
       NODE_URL=https://…                nodes that run elsewhere on that Redis, and admit the page's origin
       PORT=8000                         the page's port; the next that is free, without it
"""

import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
PATH = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"
PATIENCE_SECONDS = 30


def names():
    """The examples, with what the first line of their README calls them."""
    readmes = sorted(HERE.glob("*/README.md"))
    return {path.parent.name: path.read_text().splitlines()[0].lstrip("# ") for path in readmes if (path.parent / "index.html").exists()}


def chosen(name):
    """The folder of an example, or one of your own, and its title."""
    known = names()
    if "/" not in name:
        if name not in known:
            sys.exit(f"example: there is no {name!r}; there are {', '.join(known)}, and folders of yours: ../{name}")
        return HERE / name, known[name]
    folder = pathlib.Path(name).expanduser().resolve()
    if not (folder / "index.html").exists():
        sys.exit(f"example: {folder} has no index.html")
    return folder, folder.name


def free_port(port):
    """The first from this one on that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                port += 1


class Run:
    """What was started, and ends together."""

    def __init__(self, folder):
        self.folder = folder
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="fanfare-example."))
        self.env = {**os.environ, "PATH": PATH, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        self.running = []

    def start(self, name, *command):
        log = self.scratch / f"{name}.log"
        with open(log, "w") as file:
            process = subprocess.Popen(command, env=self.env, stdout=file, stderr=file, cwd=self.scratch, start_new_session=True)
        process.log = log
        self.running.append(process)
        return process

    def await_port(self, what, process, port, path=None):
        """Until something listens there, and answers 200 where a path is named."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            try:
                connection.connect()
                if path is None:
                    return
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        sys.exit(f"example: {what} did not start:\n{process.log.read_text(errors='replace')[-2000:]}")

    def expect_redis(self, url):
        """Fails at once, and not when a node has waited for it. What is no address, a socket for example, is left to the node."""
        address = urllib.parse.urlsplit(url)
        try:
            host, port = address.hostname, address.port or 6379
        except ValueError as error:
            sys.exit(f"example: REDIS_URL is no address of a Redis: {error}")
        if not host:
            return
        try:
            socket.create_connection((host, port), 5).close()
        except OSError as error:
            sys.exit(f"example: nothing answers on {host}:{port}, which REDIS_URL names ({error}); unset REDIS_URL to have a Redis started here")

    def redis(self):
        if "REDIS_URL" in self.env:
            self.expect_redis(self.env["REDIS_URL"])
            return
        port = free_port(16379)
        process = self.start("redis", "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self.await_port("redis-server", process, port)
        self.env["REDIS_URL"] = f"redis://127.0.0.1:{port}"

    def node(self, page):
        if "NODE_URL" in self.env:
            return
        port, admin = free_port(8080), free_port(9090)
        settings = self.folder / "fanfare.toml"
        options = ["--config", str(settings)] if settings.exists() else []
        for setting in (f"server.listen=127.0.0.1:{port}", f"admin.listen=127.0.0.1:{admin}", f"redis.url={self.env['REDIS_URL']}",
                        f"server.cors_origins=http://127.0.0.1:{page},http://localhost:{page}"):
            options += ["--set", setting]
        process = self.start("node", os.path.abspath(os.environ.get("FANFARE_BIN", "target/release/fanfare")), "serve", *options)
        self.await_port("the node", process, admin, "/readyz")
        self.env["NODE_URL"], self.env["ADMIN_URL"] = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"

    def example(self, page):
        self.env["PORT"] = str(page)
        application, publisher = self.folder / "app.py", self.folder / "publish.sh"
        if application.exists():
            server = self.start("app", sys.executable, str(application))
        else:
            server = self.start("page", sys.executable, "-m", "support.web", str(self.folder))
            if publisher.exists():
                self.start("publisher", "bash", str(publisher))
        self.await_port("the page's server", server, page)

    def end(self):
        # A second Ctrl-C would leave some of it behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in reversed(self.running):
            try:
                # A session of its own each: with whatever it has started.
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def main():
    if len(sys.argv) < 2:
        known = names()
        width = max(map(len, known))
        print("make example NAME=…\n\n" + "\n".join(f"  {name:{width}}  {title}" for name, title in known.items()))
        return 0
    folder, title = chosen(sys.argv[1])
    if "NODE_URL" in os.environ and "REDIS_URL" not in os.environ:
        sys.exit("example: NODE_URL needs REDIS_URL, the Redis of those nodes")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    run = Run(folder)
    try:
        page = int(os.environ["PORT"]) if "PORT" in os.environ else free_port(8000)
        run.redis()
        run.node(page)
        run.example(page)
        print(f"\n  {title}: http://127.0.0.1:{page}/\n", flush=True)
        print(f"  Redis {run.env['REDIS_URL'].rpartition('@')[2]}, node {run.env['NODE_URL']}, logs {run.scratch}. Ctrl-C ends everything.", flush=True)
        while all(process.poll() is None for process in run.running):
            time.sleep(0.5)
        ended = next(process for process in run.running if process.poll() is not None)
        sys.exit(f"example: a process has ended by itself:\n{ended.log.read_text(errors='replace')[-2000:]}")
    except KeyboardInterrupt:
        return 0
    finally:
        run.end()


if __name__ == "__main__":
    sys.exit(main())
