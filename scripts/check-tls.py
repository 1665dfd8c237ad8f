#!/usr/bin/env python3
"""Lets testssl.sh look at a node that speaks TLS with its defaults, and fails on whatever it finds worse than "low".

The node shows a certificate and that of the authority between it and a root of the test's own, which testssl.sh is told to believe.
What such an authority brings with it is listed in ACCEPTED, each with the reason.

Usage: check-tls.py FANFARE_BINARY [--set KEY=VALUE]…    with --set the node has other settings
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients"))
from harness.authority import Authority  # noqa: E402
from harness.servers import Node, Processes, Redis  # noqa: E402

# How bad a finding may be. What could not be looked at (WARN, FATAL) counts as bad.
HARMLESS = {"OK", "INFO", "LOW"}
ACCEPTED = {
    "cert_revocation": "an authority that is made for one test publishes no list of what it has revoked",
    "engine_problem": "it is about the openssl of this machine, which knows no GOST",
}
# One finding of each part of the look: without any of them it broke off.
PARTS = ["TLS1_3", "cipherlist_STRONG", "PFS", "ALPN_HTTP2", "cert_chain_of_trust", "HSTS_time", "heartbleed", "LUCKY13", "RC4"]
# The longest that testssl.sh may take. .ci/run gives `make check-tls` as much, and time for the rest.
SECONDS = 600


def look(program, authority, port, scratch):
    """All findings of testssl.sh, as it puts them into its JSON."""
    found = scratch / "findings.json"
    command = [program, "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", str(authority.root),
               "--jsonfile", str(found), f"https://localhost:{port}/events"]
    log = scratch / "testssl.log"
    with open(log, "w") as out:
        try:
            subprocess.run(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=scratch, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"testssl.sh was not done after {SECONDS} seconds\n{log.read_text(errors='replace')[-2000:]}") from None
    try:
        return json.loads(found.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"testssl.sh has left no findings: {error}\n{log.read_text(errors='replace')[-2000:]}") from None


def judge(findings):
    """What is worse than it may be, in words."""
    faults = [f"testssl.sh did not come to {part}" for part in PARTS if part not in {finding["id"] for finding in findings}]
    for finding in findings:
        name, severity, text = finding["id"], finding["severity"], finding["finding"]
        if severity in HARMLESS:
            continue
        if name in ACCEPTED:
            print(f"accepted: {name}, {severity}: {text}: {ACCEPTED[name]}")
        else:
            faults.append(f"{name}, {severity}: {text}")
    return faults


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = arguments.parse_args()
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if not program:
        raise SystemExit("testssl.sh is missing: scripts/setup.sh testssl")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        processes = Processes(scratch)
        try:
            redis, authority = Redis(processes), Authority(processes.scratch)
            # As docs/tls.md has it for browsers; it is off by default.
            options = [*authority.options(), "server.hsts=max-age=31536000; includeSubDomains", *given.set]
            node = Node(processes, os.path.abspath(given.binary), "node", redis.port, options)
            findings = look(program, authority, node.port, processes.scratch)
        finally:
            processes.end_all()
    faults = judge(findings)
    for fault in faults:
        print(f"FAULT {fault}")
    low = [finding["id"] for finding in findings if finding["severity"] == "LOW"]
    print(f"tls: {len(findings)} findings, low: {', '.join(low) or 'none'}; {len(faults)} faults, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
