#!/usr/bin/env python3
"""Tries real clients on real nodes, through a proxy that cuts their streams anywhere: nothing lost, nothing twice.

For each client and each cut (harness/cuts.py; over TLS harness/tls_cuts.py) every event must come once and in order, or
docs/clients.md names the client, the cut and the cure; what it names is held against what is seen, with the cure, too.

Usage: run.py FANFARE_BINARY --reference           three readers of this harness, nothing to install; seconds
       run.py FANFARE_BINARY INSTALLED [CLIENT…]   clients that scripts/clients.sh has installed there, curl and browsers; minutes

Without --transport clients are tried in clear text, and some of them over TLS and over HTTP/2; with it all of them that speak it are.
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
from harness import browser, cuts, installed, reference, report, tls_cuts, trust  # noqa: E402
from harness.authority import Authority  # noqa: E402
from harness.probe import Probe  # noqa: E402
from harness.servers import Node, Processes, Redis  # noqa: E402

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "clients.md"
# Each waits most of the time; a slow machine must not make a client look slow.
AT_ONCE = 16


# By name: the kind of its cases, their cuts, and what its nodes are set to.
TRANSPORTS = {
    "plain": (cuts.Case, cuts.NAMES, []),
    "tls": (tls_cuts.TlsCase, tls_cuts.NAMES, ["server.http2=false"]),
    "h2": (tls_cuts.TlsCase, tls_cuts.NAMES, []),
}
# One of each library of TLS, and of each implementation of HTTP/2, that the clients here are built on.
SOME = {
    "tls": {"npm/eventsource-5", "pypi/requests-sse", "curl/loop"},
    "h2": {"browser/chromium", "npm/eventsource-parser", "pypi/httpx-sse", "go/go-sse", "maven/okhttp-sse", "curl/loop"},
}


class World:
    """What clients of one transport meet: the node that stays and the one that refuses; each gets a node to drain and one to restart."""

    def __init__(self, binary, processes, redis, transport, authority):
        self.binary, self.processes, self.redis, self.transport = binary, processes, redis, transport
        self.case, self.cuts, self.options = TRANSPORTS[transport]
        self.authority = None if transport == "plain" else authority
        if self.authority:
            self.options = [*self.options, *authority.options()]
        self.env = trust.environment(authority, transport) if self.authority else {}
        self.steady = self.node("steady")
        self.refusing = Node(processes, binary, f"{transport}-refusing", None, ["delivery.subscribe_timeout=200ms", *self.options])

    def node(self, name, *options):
        return Node(self.processes, self.binary, f"{self.transport}-{name}", self.redis.port, [*self.options, *options])

    def cases(self, name):
        """The cuts of one client, each with a channel of its own, and the nodes that are this client's alone."""
        own = [self.node(f"{name}-drained", "drain.window=1s"), self.node(f"{name}-restarted")]
        nodes = {"steady": self.steady, "refusing": self.refusing, "drained": own[0], "restarted": own[1]}
        wanted = [cut for cut in self.cuts if not (name in reference.KINDS and cut in cuts.NOT_FOR_REFERENCE)]
        return [self.case(cut, f"{self.transport}-{name}-{cut}".replace("/", "-"), self.redis, nodes) for cut in wanted], own


def judge(world, name, start):
    """Runs a client on all cuts at once; `start(cases)` starts it and returns what stops it.

    Returns what each cut led to, and what else was seen.
    """
    cases, own = world.cases(name)
    # What a client makes of an `id:` without data does not depend on the transport.
    probes = [Probe()] if world.transport == "plain" else []
    stop = start([*cases, *probes])
    try:
        for thread in [*cases, *probes]:
            thread.start()
        for thread in [*cases, *probes]:
            thread.join()
        outcomes = {case.name_of_cut: case.outcome() for case in cases}
        if world.transport == "h2":
            assert all(case.offers_http2() for case in cases), "it does not offer HTTP/2"
        return outcomes, report.seen(probes, next((case for case in cases if case.name_of_cut == "quiet"), None))
    finally:
        stop()
        for case in cases:
            case.proxy.close()
        for node in own:
            world.processes.end(node.process)


def reader(world, kind):
    def start(cases):
        context = trust.context(world.authority)
        readers = [reference.Reader(kind, case.url(""), case.tell, context) for case in cases]
        for one in readers:
            one.start()
        return lambda: [setattr(one, "over", True) for one in readers]

    return start


def program(world, name, command, query):
    """A client that is a program: it gets the streams as arguments and says a line of JSON for each event."""

    def start(cases):
        urls = [case.url(query) for case in cases]
        process = world.processes.start(name, [*command, *urls], stdout=subprocess.PIPE, text=True, env=world.env)

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
        return browser.follow(world.processes, name, urls, tells, client, world.authority).close

    return start


def chosen_runs(transports, clients, chosen, rows):
    """What to try: a transport, a client, a query."""
    runs = []
    for transport in transports or TRANSPORTS:
        # Over TLS each client is tried as it comes, unless the transport was asked for.
        some = SOME.get(transport) if not transports else None
        for client in clients:
            able = transport == "plain" or installed.can_speak(client, transport)
            if able and (not chosen or client in chosen) and (some is None or client in some):
                queries = rows[transport].get(client, report.QUERIES) if some is None else {""}
                runs += [(transport, client, query) for query in queries]
    return runs


def try_clients(worlds, folder, transports, chosen):
    clients, skipped = installed.clients_in(folder)
    rows = {transport: report.documented(DOCUMENT, transport) for transport in TRANSPORTS}
    faults = []

    def one(run):
        transport, client, query = run
        name = f"{transport}-{client}-{query}".replace("/", "-").replace("=", "-").replace("&", "-").strip("-")
        command, world = clients[client], worlds[transport]
        start = program(world, name, command, query) if command else page(world, name, client.removeprefix("browser/"), query)
        try:
            found = judge(world, name, start)
        except AssertionError as error:
            # The others go on: what they show may say why.
            faults.append(f"{report.title(run)}: not tried: {error}")
            return None
        print(f"{report.title(run)}: done", file=sys.stderr, flush=True)
        return found

    runs = chosen_runs(transports, clients, chosen, rows)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = {run: found for run, found in zip(runs, pool.map(one, runs)) if found}
    for run, (outcomes, _) in results.items():
        transport, client, query = run
        named = rows[transport].get(client, report.QUERIES)[query]
        for cut, outcome in report.undocumented(outcomes, named).items():
            faults.append(f"{report.title(run)}: {cut}: {outcome}; docs/clients.md does not say so")
        for cut in sorted(named):
            # Over TLS there are other places, and nobody makes a clean end of a break.
            tried = [outcome for seen, outcome in outcomes.items() if report.matches(seen, {cut})]
            if tried and not any(tried):
                print(f"note: docs/clients.md names {cut} for {report.title(run)}, and it was not seen")
    return results, faults, skipped


def try_readers(worlds):
    runs = [(transport, kind) for transport in worlds for kind in reference.KINDS]
    with ThreadPoolExecutor(len(runs)) as pool:
        outcomes = list(pool.map(lambda run: judge(worlds[run[0]], run[1], reader(worlds[run[0]], run[1])), runs))
    results = {(transport, kind, ""): found for (transport, kind), found in zip(runs, outcomes)}
    faults = []
    for run, (found, _) in results.items():
        # Who acts on lines has moved its place when the last byte of a block is missing. No server can mend that.
        named = {"before-empty-line"} if run[1] == "lines" else set()
        faults += [f"{report.title(run)}: {cut}: {outcome}" for cut, outcome in report.undocumented(found, named).items()]
    return results, faults


def spoken(worlds, results):
    """What is wrong with the protocol that was chosen (ALPN), by the nodes' own counts."""
    faults = []
    for name in {transport for transport, _, _ in results}:
        count = worlds[name].steady.metric("fanfare_http2_connections_total")
        if (count > 0) != (name == "h2"):
            faults.append(f"{name}: {count} connections spoke HTTP/2")
    return faults


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("installed", nargs="?", type=pathlib.Path)
    arguments.add_argument("clients", nargs="*")
    arguments.add_argument("--reference", action="store_true")
    arguments.add_argument("--transport", action="append", default=[], choices=TRANSPORTS)
    given = arguments.parse_intermixed_args()
    if not given.reference and not given.installed:
        arguments.error("name the folder with the installed clients, or --reference")
    began, skipped = time.monotonic(), []
    wanted = given.transport or (["plain", "tls"] if given.reference else TRANSPORTS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        processes = Processes(scratch)
        try:
            redis, authority = Redis(processes), Authority(processes.scratch)
            worlds = {name: World(os.path.abspath(given.binary), processes, redis, name, authority) for name in wanted}
            if given.reference:
                results, faults = try_readers(worlds)
            else:
                results, faults, skipped = try_clients(worlds, given.installed.resolve(), given.transport, given.clients)
            faults += spoken(worlds, results)
        finally:
            processes.end_all()
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
