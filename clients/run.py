#!/usr/bin/env python3
"""Tries real clients on real nodes, through a proxy that cuts their streams anywhere: nothing lost, nothing twice.

For each client and each cut (harness/cuts.py) every event must come once and in order, or docs/clients.md names the client,
the cut and the cure; what it names is held against what is seen, with the cure, too.

Usage: run.py FANFARE_BINARY --reference           three readers of this harness, nothing to install; seconds
       run.py FANFARE_BINARY INSTALLED [CLIENT…]   clients that scripts/clients.sh has installed there, curl and browsers; minutes
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import browser, cuts, installed, reference, report  # noqa: E402
from harness.probe import Probe  # noqa: E402
from harness.servers import Node, Processes, Redis  # noqa: E402

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "clients.md"
# Each waits most of the time; a slow machine must not make a client look slow.
AT_ONCE = 16


class World:
    """Redis, the node that stays, and the one that refuses; each client gets a node to drain and one to restart."""

    def __init__(self, binary, scratch):
        self.binary, self.processes = binary, Processes(scratch)
        self.redis = Redis(self.processes)
        self.steady = Node(self.processes, binary, "steady", self.redis.port)
        self.refusing = Node(self.processes, binary, "refusing", None, ["delivery.subscribe_timeout=200ms"])

    def cases(self, name):
        """The cuts of one client, each with a channel of its own, and the nodes that are this client's alone."""
        own = [
            Node(self.processes, self.binary, f"{name}-drained", self.redis.port, ["drain.window=1s"]),
            Node(self.processes, self.binary, f"{name}-restarted", self.redis.port),
        ]
        nodes = {"steady": self.steady, "refusing": self.refusing, "drained": own[0], "restarted": own[1]}
        wanted = [cut for cut in cuts.NAMES if not (name in reference.KINDS and cut in cuts.NOT_FOR_REFERENCE)]
        return [cuts.Case(cut, f"{name}-{cut}".replace("/", "-"), self.redis, nodes) for cut in wanted], own


def judge(world, name, start):
    """Runs a client on all cuts at once; `start(cases)` starts it and returns what stops it.

    Returns what each cut led to, and what else was seen.
    """
    cases, own = world.cases(name)
    probe = Probe()
    stop = start([*cases, probe])
    try:
        for thread in [*cases, probe]:
            thread.start()
        for thread in [*cases, probe]:
            thread.join()
        outcomes = {case.name_of_cut: case.outcome() for case in cases}
        return outcomes, report.seen(probe.kept, next((case for case in cases if case.name_of_cut == "quiet"), None))
    finally:
        stop()
        for case in cases:
            case.proxy.close()
        for node in own:
            world.processes.end(node.process)


def reader(kind):
    def start(cases):
        readers = [reference.Reader(kind, case.url(""), case.tell) for case in cases]
        for one in readers:
            one.start()
        return lambda: [setattr(one, "over", True) for one in readers]

    return start


def program(world, name, command, query):
    """A client that is a program: it gets the streams as arguments and says a line of JSON for each event."""

    def start(cases):
        urls = [case.url(query) for case in cases]
        process = world.processes.start(name, [*command, *urls], stdout=subprocess.PIPE, text=True)

        def listen():
            for line in process.stdout:
                stream, event, data = json.loads(line)
                cases[stream].tell(event, data)

        threading.Thread(target=listen, daemon=True).start()
        return lambda: world.processes.end(process)

    return start


def page(world, name, client, query):
    def start(cases):
        urls, tells = [case.url(query) for case in cases], [case.tell for case in cases]
        return browser.follow(world.processes, name, urls, tells, client).close

    return start


def try_clients(world, folder, chosen):
    clients, skipped = installed.clients_in(folder)
    rows = report.documented(DOCUMENT)
    runs = []
    for client in clients:
        if not chosen or client in chosen:
            runs += [(client, query) for query in rows.get(client, report.QUERIES)]

    def one(run):
        client, query = run
        name = f"{client}-{query}".replace("/", "-").replace("=", "-").replace("&", "-").strip("-")
        command = clients[client]
        start = program(world, name, command, query) if command else page(world, name, client.removeprefix("browser/"), query)
        try:
            found = judge(world, name, start)
        except AssertionError as error:
            # The others go on: what they show may say why.
            faults.append(f"{client} {query}: not tried: {error}")
            return None
        print(f"{client} {query}: done", file=sys.stderr, flush=True)
        return found

    faults = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = {run: found for run, found in zip(runs, pool.map(one, runs)) if found}
    for (client, query), (outcomes, _) in results.items():
        named = rows.get(client, report.QUERIES)[query]
        for cut, outcome in report.undocumented(outcomes, named).items():
            faults.append(f"{client} {query}: {cut}: {outcome}; docs/clients.md does not say so")
        for cut in sorted(named):
            if not any(outcome and report.matches(seen, {cut}) for seen, outcome in outcomes.items()):
                print(f"note: docs/clients.md names {cut} for {client} {query}, and it was not seen")
    return results, faults, skipped


def try_readers(world):
    with ThreadPoolExecutor(len(reference.KINDS)) as pool:
        outcomes = list(pool.map(lambda kind: judge(world, kind, reader(kind)), reference.KINDS))
    results = {(kind, ""): found for kind, found in zip(reference.KINDS, outcomes)}
    faults = []
    for (kind, _), (found, _) in results.items():
        # Who acts on lines has moved its place when the last byte of a block is missing. No server can mend that.
        named = {"before-empty-line"} if kind == "lines" else set()
        faults += [f"{kind}: {cut}: {outcome}" for cut, outcome in report.undocumented(found, named).items()]
    return results, faults


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("installed", nargs="?", type=pathlib.Path)
    arguments.add_argument("clients", nargs="*")
    arguments.add_argument("--reference", action="store_true")
    given = arguments.parse_args()
    if not given.reference and not given.installed:
        arguments.error("name the folder with the installed clients, or --reference")
    began, skipped = time.monotonic(), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        world = World(os.path.abspath(given.binary), scratch)
        try:
            if given.reference:
                results, faults = try_readers(world)
            else:
                results, faults, skipped = try_clients(world, given.installed.resolve(), given.clients)
        finally:
            world.processes.end_all()
    report.print_table(results)
    for group in skipped:
        print(f"SKIPPED {group}")
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"clients: {len(results)} runs, {len(faults)} faults, {time.monotonic() - began:.0f} s")
    if not results:
        print("clients: no client was there, so that nothing was tried")
    return 1 if faults or not results else 0


if __name__ == "__main__":
    sys.exit(main())
