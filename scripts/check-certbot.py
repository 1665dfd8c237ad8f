#!/usr/bin/env python3
"""Follows docs/tls.md, "Let's Encrypt, with certbot": certbot gets a certificate from Pebble, which is Let's Encrypt's server for tests, and a
node shows it to those who believe Pebble.

The commands and the drop-in are run as they stand there. For that this program goes into namespaces of its own (mounts, network, processes), where port
80 and 443 are free, and /etc is a copy without what certbot has on this machine: nothing that happens there stays, or reaches anybody. certbot is told of
Pebble by its file of settings, Pebble finds the name in /etc/hosts, and asks port 80 for the challenge.

Before the group has its right, a node has to refuse to start, and to say what to do. Then it shows the certificate, and each new one that
`certbot renew` leaves, by the timer or by hand: without a hook, a signal or a restart, while a stream goes on.

Usage: check-certbot.py FANFARE_BINARY PEBBLE_BINARY    needs root, or sudo that asks no password
"""

import http.client
import json
import os
import pathlib
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients"))
from harness import ports  # noqa: E402
from harness.authority import Authority  # noqa: E402
from harness.documents import sample  # noqa: E402
from harness.servers import PATH, PATIENCE, Node, Processes, Redis, await_that, last_words  # noqa: E402

NAME, CONFIGURATION = "events.example.com", pathlib.Path("/etc/letsencrypt")
COMMANDS, DROP_IN = (sample("tls.md", "Let's Encrypt, with certbot", language) for language in ("sh", "ini"))
# From here on the commands are about who may read.
RIGHTS = f"cd {CONFIGURATION}\n"
# As Debian's certbot.timer has it, beside that nothing is due.
RENEWAL = "certbot -q renew --no-random-sleep-on-renew --force-renewal"
TIMER_UMASK = 0o022
# What a careful root has. What is written with it is nobody else's until the group is given its right.
ROOT_UMASK = 0o077
RENEWALS = [TIMER_UMASK, TIMER_UMASK, ROOT_UMASK]
WHAT_TO_DO = "expected that this user may read it, and enter the directories above it"
# Of one run of certbot, in seconds.
CERTBOT_SECONDS = 120
# Nobody's, on Debian and elsewhere: systemd's DynamicUser= gives a node one that owns nothing either.
USER = "65534"

NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
INSIDE = "inside"
# All that is written goes into a file system in memory, which is gone with the namespaces. What is run after that is told where it is.
STAGE = f"""
scratch=$1
mount -t tmpfs -o mode=755 fanfare "$scratch"
cp -a /etc "$scratch/etc"
rm -rf "$scratch{CONFIGURATION}"
mkdir "$scratch{CONFIGURATION}"
echo '127.0.0.1 localhost {NAME}' > "$scratch/etc/hosts"
mount --bind "$scratch/etc" /etc
ip link set lo up
export TMPDIR=$scratch
exec "${{@:2}}" {INSIDE} "$scratch"
"""


class Pebble:
    """An authority that asks port 80 of a name for the challenge, each time, and issues as soon as it has the answer."""

    def __init__(self, processes):
        self.authority, self.port, self.management = Authority(processes.scratch), ports.take(), ports.take()
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.authority.chain), "privateKey": str(self.authority.key), "httpPort": 80, "tlsPort": 443,
        }
        file = processes.scratch / "pebble.json"
        file.write_text(json.dumps({"pebble": settings}))
        # By default it waits for seconds, refuses a request in twenty, and believes half of the challenges of before.
        manners = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        process = processes.start("pebble", [str(processes.scratch / "pebble"), "-config", str(file)], env=manners)
        await_that("Pebble answers", lambda: self.get(self.port, "/dir"), process)

    def get(self, port, path):
        context = ssl.create_default_context(cafile=self.authority.root)
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, f"{path}: {answer.status}"
            return answer.read().decode()
        finally:
            connection.close()

    def root(self):
        """The certificate that clients of a node have to believe."""
        return self.get(self.management, "/roots/0")


class Machine:
    """Where certbot runs: its settings, and what root types there."""

    def __init__(self, scratch, pebble):
        self.environment = {"PATH": PATH, "LANG": "C.UTF-8", "REQUESTS_CA_BUNDLE": str(pebble.authority.root)}
        (CONFIGURATION / "cli.ini").write_text(
            f"server = https://localhost:{pebble.port}/dir\nwork-dir = {scratch}/work\nlogs-dir = {scratch}/logs\n"
            # What certbot asks at the terminal.
            "agree-tos = true\nregister-unsafely-without-email = true\nnon-interactive = true\n")

    def run(self, text, umask):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd="/", env=self.environment, umask=umask, timeout=CERTBOT_SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"{text}\nexit code {done.returncode}\n{done.stdout[-2000:]}"


class Unit:
    """A node as systemd runs it by deploy/systemd/fanfare.service with the document's drop-in: `program` gives up root for what they say."""

    def __init__(self, scratch):
        lines = [line.partition("=") for line in DROP_IN.splitlines() if "=" in line]
        said = {name: value for name, _, value in lines if name != "Environment"}
        self.environment = dict(value.split("=", 1) for name, _, value in lines if name == "Environment")
        capabilities = "-all,+" + said.pop("AmbientCapabilities").removeprefix("CAP_").lower()
        bounding = "-all,+" + said.pop("CapabilityBoundingSet").removeprefix("CAP_").lower()
        command = ["setpriv", "--reuid", USER, "--regid", USER, "--groups", said.pop("SupplementaryGroups"), "--no-new-privs",
                   "--inh-caps", capabilities, "--ambient-caps", capabilities, "--bounding-set", bounding, str(scratch / "fanfare")]
        assert not said, f"nothing here does what the drop-in says: {said}"
        self.program = scratch / "as-systemd"
        self.program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        self.program.chmod(0o755)
        self.certificate, self.key = (pathlib.Path(self.environment[f"FANFARE__SERVER__{name}"]) for name in ("CERTIFICATE", "KEY"))

    def node(self, processes, redis):
        return Node(processes, str(self.program), "node", redis.port, defaults=True, env=self.environment, listens=False)

    def refuses(self):
        """It does not start, nor does `config check` call that right; both say which file it is, and what to do."""
        for words in (["serve"], ["config", "check"]):
            done = subprocess.run([self.program, *words], env={"PATH": PATH, **self.environment}, timeout=PATIENCE, capture_output=True, text=True)
            said = done.stdout + done.stderr
            line = next((line for line in said.splitlines() if str(self.certificate) in line and WHAT_TO_DO in line), None)
            assert done.returncode and line, f"fanfare {' '.join(words)} with files that it may not read: exit code {done.returncode}\n{said}"
        return line.strip()

    def certificate_in_file(self):
        """The node's own, which stands first."""
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text().partition(end)[0] + end)

    def check_key(self):
        """That the node can read it proves that its group may. Nobody else may, beside root."""
        about = self.key.stat()
        assert (about.st_uid, about.st_mode & 0o777) == (0, 0o640), f"{self.key.resolve()} is user {about.st_uid}'s, with mode {about.st_mode:o}"


class Client:
    """Believes Pebble's root, and nobody else, and wants the name."""

    def __init__(self, root):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(cadata=root)

    def connection(self):
        connection = http.client.HTTPSConnection(NAME, 443, context=self.context, timeout=PATIENCE)
        connection.connect()
        return connection

    def shown(self):
        """The certificate that a new connection is shown."""
        connection = self.connection()
        try:
            return connection.sock.getpeercert(binary_form=True)
        finally:
            connection.close()

    def stream(self):
        connection = self.connection()
        connection.request("GET", "/events?channel=orders")
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return answer


def hears(redis, stream, text):
    """Publishes it, and reads the stream up to it."""
    redis.publish("orders", text)
    for line in stream:
        if line == f"data: {text}\n".encode():
            return
    raise AssertionError(f"the stream has ended before {text!r}")


def check(processes):
    """What was seen, in words."""
    redis, pebble = Redis(processes), Pebble(processes)
    machine, unit, client = Machine(processes.scratch, pebble), Unit(processes.scratch), Client(pebble.root())
    order, found, rights = COMMANDS.partition(RIGHTS)
    assert found, f"the commands have no {RIGHTS!r}"
    machine.run(order, ROOT_UMASK)
    print(f"certbot: without the rights of its group a node does not start: {unit.refuses()}")
    machine.run(found + rights, ROOT_UMASK)
    unit.check_key()
    node = unit.node(processes, redis)
    seen = [unit.certificate_in_file()]
    assert client.shown() == seen[0], "the node shows another certificate than certbot has got"
    stream = client.stream()
    hears(redis, stream, "before")
    for number, umask in enumerate(RENEWALS, 1):
        machine.run(RENEWAL, umask)
        if umask != TIMER_UMASK:
            # The document asks for them again, and for nothing at the node.
            machine.run(found + rights, umask)
        unit.check_key()
        renewed = unit.certificate_in_file()
        assert renewed not in seen, "certbot has renewed nothing"
        await_that(f"the node shows what renewal {number} has brought", lambda: client.shown() == renewed, node.process)
        seen.append(renewed)
        hears(redis, stream, f"after renewal {number}")
    assert node.process.poll() is None, last_words(node.process)
    return f"a node shows what it gets from Pebble, and each of {len(RENEWALS)} renewals, while a stream goes on"


def run_inside(binary, pebble, scratch):
    """In the namespaces, after STAGE."""
    # A user who is not root may not get to where they were built. These mounts need no copy, and go with the rest.
    for name, path in {"fanfare": binary, "pebble": pebble}.items():
        (scratch / name).touch()
        subprocess.run(["mount", "--bind", path, scratch / name], check=True)
    began, processes = time.monotonic(), Processes(scratch)
    try:
        print(f"certbot: {check(processes)}, {time.monotonic() - began:.0f} s")
    except BaseException:
        logs = [f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in sorted(scratch.glob("*.log"))]
        print("\n".join(logs), file=sys.stderr)
        raise
    finally:
        processes.end_all()


def what_is_missing(as_root):
    """Why it cannot be run here, if it cannot."""
    absent = [name for name in ("certbot", "groupadd", "ip", "redis-server", "setpriv", "unshare") if not shutil.which(name, path=PATH)]
    if absent:
        return f"{', '.join(absent)} is missing"
    if as_root and (not shutil.which(as_root[0]) or subprocess.run([*as_root, "true"], capture_output=True).returncode):
        return "it needs root, or sudo that asks no password"
    tried = subprocess.run([*as_root, *NAMESPACES, "true"], capture_output=True, text=True)
    return tried.returncode and f"this machine allows no namespaces of one's own: {tried.stderr.strip()}"


def main():
    words = sys.argv[1:]
    if len(words) == 4 and words[2] == INSIDE:
        return run_inside(words[0], words[1], pathlib.Path(words[3]))
    if len(words) != 2:
        raise SystemExit(__doc__)
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if reason := what_is_missing(as_root):
        print(f"certbot: SKIPPED: {reason}")
        return 0
    # What root compiles would lie where another has his clone.
    program = ["env", f"PATH={PATH}", "PYTHONDONTWRITEBYTECODE=1", sys.executable, os.path.abspath(__file__), *map(os.path.abspath, words)]
    # Everybody can go through /tmp, and the clone may be anywhere else.
    with tempfile.TemporaryDirectory(prefix="fanfare-certbot-", dir="/tmp") as scratch:
        return subprocess.run([*as_root, *NAMESPACES, "bash", "-euo", "pipefail", "-c", STAGE, "stage", scratch, *program]).returncode


if __name__ == "__main__":
    sys.exit(main())
