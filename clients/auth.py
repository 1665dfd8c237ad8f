#!/usr/bin/env python3
"""Tries who may follow what, and what becomes of a stream when that ends, with pages in real Chromium and Firefox.

Each case (harness/auth_cases.py) is tried with each way in that can do it (harness/ways.py), in a site of its own (harness/front.py),
all of them at once in each browser. What docs/auth.md advises a page to do is tried as it stands there.

Usage: auth.py FANFARE_BINARY [--set KEY=VALUE]… [CASE…]    with --set nodes have other settings, to see a case fail;
       a CASE is `late` or `auth/late`
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import auth_cases, browser, front, ways  # noqa: E402
from harness.servers import Node, Processes, Redis, await_that  # noqa: E402


class AuthNode(Node):
    """A node with a configuration file, since issuers stand in none of the other places."""

    def start(self):
        settings = self.processes.scratch / f"{self.name}.toml"
        settings.write_text(ways.ISSUER)
        given = [f"server.listen=127.0.0.1:{self.port}", f"admin.listen=127.0.0.1:{self.admin}",
                 f"redis.url=redis://127.0.0.1:{self.redis_port}", *self.options]
        command = [self.binary, "serve", "--config", str(settings), *(word for one in given for word in ("--set", one))]
        self.process = self.processes.start(self.name, command, env=self.env)
        await_that(f"node {self.name} is up", lambda: self.status(self.wanted) == 200, self.process)


def start_nodes(processes, binary, redis, world, more):
    """The node behind the application's own host, which knows no other origin, and the one for pages of the listed origins."""
    common = ["server.cores=1", "auth.enabled=true", "history.enabled=true", "delivery.heartbeat=1s", "delivery.retry_ms=500",
              f"forward_auth.url=http://127.0.0.1:{world.port}/authorize"]
    listed = ",".join(site.origin("app") for site in world.sites.values())
    cookie = ways.Cookie.cookie
    own = [f"auth.cookie={ways.prefix('app')}{cookie}"]
    live = [f"auth.cookie={ways.prefix('live')}{cookie}", f"server.cors_origins={listed}"]
    world.nodes = {
        label: AuthNode(processes, binary, f"node-{label}", redis.port, [*common, *options, *more], defaults=True)
        for label, options in (("app", own), ("live", live))
    }


def judge(site):
    """What is wrong, in words; empty if nothing is."""
    try:
        site.case.run(site)
    except front.Fault as fault:
        return str(fault)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return ""


def try_in(world, processes, name, sites):
    window = browser.Browser(processes, name, name, world.start_page(sites))
    try:
        with ThreadPoolExecutor(len(sites)) as pool:
            return dict(zip([(site.case.name, site.way.name) for site in sites], pool.map(judge, sites)))
    finally:
        window.close()


def print_table(found, browsers):
    rows = list(dict.fromkeys(row for outcomes in found.values() for row in outcomes))
    width = max(len(f"{case}, {way}") for case, way in rows)
    print(f"{'':{width}}  {'  '.join(f'{name:8}' for name in browsers)}".rstrip())
    for case, way in rows:
        cells = [("FAULT" if found[name][case, way] else "ok") if name in found else "-" for name in browsers]
        print(f"{f'{case}, {way}':{width}}  {'  '.join(f'{cell:8}' for cell in cells)}".rstrip())


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("cases", nargs="*")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = arguments.parse_intermixed_args()
    names, wanted = [case.name for case in auth_cases.CASES], {case.removeprefix("auth/") for case in given.cases}
    if unknown := wanted.difference(names):
        arguments.error(f"no case is called {', '.join(unknown)}; there are {', '.join(names)}")
    chosen = [case for case in auth_cases.CASES if case.name in wanted or not wanted]
    present = [name for name in browser.BROWSERS if browser.program(name)]
    skipped = [name for name in browser.BROWSERS if name not in present]
    began, found = time.monotonic(), {}
    if present:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            processes, world = Processes(scratch), front.Front()
            try:
                redis = Redis(processes)
                sites = {
                    name: [front.Site(world, f"{case.name}-{way}-{name}", case, ways.WAYS[way], redis.publish)
                           for case in chosen for way in case.ways]
                    for name in present
                }
                start_nodes(processes, os.path.abspath(given.binary), redis, world, given.set)
                with ThreadPoolExecutor(len(present)) as pool:
                    found = dict(zip(present, pool.map(lambda name: try_in(world, processes, name, sites[name]), present)))
            finally:
                processes.end_all()
                world.close()
        print_table(found, list(browser.BROWSERS))
    for name in skipped:
        print(f"SKIPPED the browser {name}: it is missing")
    faults = [(name, row, fault) for name, outcomes in found.items() for row, fault in outcomes.items() if fault]
    for name, (case, way), fault in faults:
        print(f"FAULT {name}: {case}, {way}: {fault}")
    tried = sum(map(len, found.values()))
    print(f"auth: {tried} cases in browsers, {len(faults)} faults, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
