#!/usr/bin/env python3
"""Runs the examples (examples/) in real Chromium: what each shows, that it comes back from a refusal, loads after a gap, and can be read at
1,200 and 400 px, light and dark.

Usage: examples.py FANFARE_BINARY [--screenshots FOLDER] [examples | examples/NAME]…
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import browser, devtools, example_cases, looks, ports  # noqa: E402
from harness.servers import Node, Processes, Redis, await_that  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

# They mostly wait.
AT_ONCE = 4


class World:
    """One example, with a Redis and a node that the case can break."""

    def __init__(self, processes, binary, chromium, redis, screenshots):
        self.processes, self.binary, self.chromium, self.redis, self.screenshots = processes, binary, chromium, redis, screenshots
        self.node, self.run, self.url, self.pages = None, None, None, []
        self.interrupt = lambda: self.run.send_signal(signal.SIGTERM)

    def open(self, name, refused=False, **env):
        """Starts the example as `make example` does, and opens its page."""
        settings = EXAMPLES / name / "fanfare.toml"
        file = settings.read_text() if settings.exists() else None
        self.node = Node(self.processes, self.binary, f"node-{name}", self.redis.port, ["delivery.retry_ms=300"], file=file)
        port = ports.take()
        env = {"REDIS_URL": f"redis://127.0.0.1:{self.redis.port}", "NODE_URL": f"http://127.0.0.1:{self.node.port}",
               "ADMIN_URL": f"http://127.0.0.1:{self.node.admin}", "PORT": str(port), **env}
        self.run = self.processes.start(name, [sys.executable, str(EXAMPLES / "run.py"), name], env=env)
        self.url = f"http://127.0.0.1:{port}/"
        await_that(f"the example {name} runs", lambda: self.url in self.run.log.read_text(), self.run)
        return self.page(refused=refused)

    def open_as_written(self, command):
        """A command of the documents, in a copy of what it needs, with a Redis and a node of its own. Returns all ports on which these listen."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.processes.scratch))
        for name in ("Makefile", "scripts", "examples"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        # As in a terminal: Ctrl-C is heard, and this is no part of another `make`.
        shell = ["env", "--default-signal=INT", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "bash", "-c", command]
        self.run = self.processes.start(folder.name, shell, cwd=folder, env={"FANFARE_BIN": self.binary})
        self.interrupt = lambda: os.killpg(self.run.pid, signal.SIGINT)
        await_that(f"`{command}` runs", lambda: "Ctrl-C" in self.run.log.read_text(), self.run)
        found = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", self.run.log.read_text())]
        self.url = f"http://127.0.0.1:{found[0]}/"
        return found

    def page(self, hash="", **options):
        self.pages.append(self.chromium.page(self.url + hash, **options))
        return self.pages[-1]

    def get(self, path):
        with urllib.request.urlopen(self.url.rstrip("/") + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path, body):
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(self.url.rstrip("/") + path, json.dumps(body).encode(), headers), timeout=10).close()

    def status(self, url):
        """What a request for a stream is answered."""
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "text/event-stream"}), timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def looks(self, page, name):
        looks.check(page, name, self.screenshots)

    def close(self):
        for page in self.pages:
            page.close()
        if self.run:
            self.end()

    def end(self):
        """It ends what it has started."""
        if self.run.poll() is None:
            self.interrupt()
        self.run.wait(30)


def attempt(case, processes, binary, chromium, redis, screenshots):
    """What is wrong, in words, or `None`; and how many seconds it took."""
    began, fault = time.monotonic(), None
    world = World(processes, binary, chromium, redis, screenshots)
    try:
        case(world)
        errors = [error for page in world.pages for error in page.errors]
        assert not errors, f"errors in the page: {errors}"
    except Exception as error:  # noqa: BLE001
        fault = f"{type(error).__name__}: {error}"
    finally:
        world.close()
    return fault, time.monotonic() - began


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("cases", nargs="*")
    arguments.add_argument("--screenshots", metavar="FOLDER")
    given = arguments.parse_intermixed_args()
    names = {f"examples/{case.__name__.replace('_', '-')}": case for case in example_cases.CASES}
    wanted = set(given.cases) - {"examples"}
    if unknown := wanted.difference(names):
        arguments.error(f"no case is called {', '.join(unknown)}; there are {', '.join(names)}")
    if not browser.program("chromium"):
        print("SKIPPED the examples: Chromium is missing")
        return 0
    began, faults = time.monotonic(), 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        processes = Processes(scratch)
        try:
            redis, chromium = Redis(processes), devtools.Chromium(processes)
            binary = os.path.abspath(given.binary)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                chosen = [name for name in names if not wanted or name in wanted]
                found = pool.map(lambda name: attempt(names[name], processes, binary, chromium, redis, given.screenshots), chosen)
                for name, (fault, seconds) in zip(chosen, found):
                    faults += bool(fault)
                    print(f"{name}: {f'FAULT {fault}' if fault else 'ok'}, {seconds:.0f} s", flush=True)
            chromium.close()
        finally:
            processes.end_all()
    print(f"examples: {faults} faults, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
