#!/usr/bin/env python3
"""Lets h2spec look at a node that speaks HTTP/2 in the clear, and over TLS: every case of it, the strict ones too, has to pass.

What a node does otherwise on purpose is listed in ACCEPTED, with the reason.

Usage: check-h2.py FANFARE_BINARY H2SPEC_BINARY
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients"))
from harness.authority import Authority  # noqa: E402
from harness.gathering import GatheringLink  # noqa: E402
from harness.servers import Node, Processes, Redis  # noqa: E402

# By where it is looked at, the section and the case.
ACCEPTED = {
    ("in the clear", "Sends invalid connection preface"):
        "a port in the clear takes what is no preface for HTTP/1.1, and answers 400 before it closes (RFC 9113, section 3.4, asks for the close)",
}
# What h2spec 2.2.1 has: fewer, and it broke off.
CASES = 146
SECONDS = 240
# A server may answer before it has seen the whole request (RFC 9113, section 8.1). Most cases send what is wrong right after a request's
# head: an answer to the head alone would hide what the node makes of the rest, so the node gets both in one piece. In seconds.
GATHERED = 0.1
H2SPEC_WAITS = 10


def look(program, where, port, scratch):
    """The cases that did not pass, each with what h2spec says, and how many there were."""
    report = scratch / f"{where.replace(' ', '-')}.xml"
    command = [program, "--strict", "--host", "127.0.0.1", "--port", str(port), "--path", "/channels/x/history",
               "--timeout", str(H2SPEC_WAITS), "--junit-report", str(report)]
    if where == "over TLS":
        command += ["--tls", "--insecure"]
    # It exits with 1 where a case has failed; without a report it was something else.
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
    if not report.exists():
        raise SystemExit(f"h2spec has left no report: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    cases = list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
    failed = [(case.get("classname"), re.sub(r"\s+", " ", "".join(case.itertext())).strip()) for case in cases
              if case.find("failure") is not None or case.find("error") is not None or case.find("skipped") is not None]
    return failed, len(cases)


def node_faults(processes, binary, program, redis, where, options):
    """How much a node does otherwise without a reason. Prints what h2spec found."""
    node = Node(processes, binary, f"node-{where.replace(' ', '-')}", redis.port, ["history.enabled=true", *options])
    failed, cases = look(program, where, GatheringLink(node.port, GATHERED).port, processes.scratch)
    if cases < CASES:
        failed.append(("", f"h2spec came to {cases} cases of {CASES}"))
    faults = 0
    for name, said in failed:
        reason = ACCEPTED.get((where, name))
        faults += reason is None
        print(f"accepted: {name}: {reason}" if reason else f"FAULT {where}: {name}: {said}")
    print(f"h2: {cases - len(failed)} of {cases} cases of h2spec pass {where}")
    return faults


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    binary, program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, concurrent.futures.ThreadPoolExecutor() as both:
        processes = Processes(scratch)
        try:
            redis, authority = Redis(processes), Authority(processes.scratch)
            looks = [both.submit(node_faults, processes, binary, program, redis, where, options)
                     for where, options in {"in the clear": [], "over TLS": authority.options()}.items()]
            faults = sum(each.result() for each in looks)
        finally:
            processes.end_all()
    print(f"h2: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
