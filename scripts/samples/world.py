"""What samples run in: a Redis, a folder like the clone, and nodes."""

import os
import pathlib
import re
import shutil
import subprocess

from harness.servers import PATH, Node, Processes, Redis

from . import COMMAND_SECONDS, ROOT, Missing
from .configuration import CERTIFICATE_WORD, Certificates, Configuration


class World:
    def __init__(self, binary, scratch):
        self.binary, self.scratch = os.path.abspath(binary), pathlib.Path(scratch)
        self.processes = Processes(scratch)
        self.redis = Redis(self.processes)
        self.shims = self.scratch / "bin"
        self.shims.mkdir()
        self.shim("redis-cli", f'exec {shutil.which("redis-cli", path=PATH)} -e -p "$SAMPLE_REDIS" "$@"')
        # A clone in which the binaries were built. What commands leave there is in nobody's way.
        self.clone = self.scratch / "clone"
        (self.clone / "target/release").mkdir(parents=True)
        for entry in ROOT.iterdir():
            if entry.name not in ("target", "loadtest", ".run"):
                (self.clone / entry.name).symlink_to(entry)
        # k6 finds what a scenario imports beside it.
        shutil.copytree(ROOT / "loadtest", self.clone / "loadtest")
        (self.clone / "target/release/fanfare").symlink_to(self.binary)
        self.fanload = self.beside("fanload")
        if self.fanload:
            (self.clone / "target/release/fanload").symlink_to(self.fanload)
        self.certificates = Certificates(self.scratch)
        self.begin_document()

    def begin_document(self):
        """What another document configures and shows is its own."""
        self.page = None
        self.configure("[server]\nkeep_alive = \"30s\"\n")

    def configure(self, text):
        self.configuration = Configuration(text, self.certificates, self.clone, self.scratch / "secret")
        (self.clone / "fanfare.toml").write_text(self.configuration.text)

    def configured_node(self):
        """A node with the document's last configuration, and what that and its clients need."""
        self.certificates.lay(self.clone)
        for name in self.configuration.keys:
            private, public = (self.clone / f"{name}{end}.pem" for end in ("-private", ""))
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, timeout=COMMAND_SECONDS)
            subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, timeout=COMMAND_SECONDS)
        listens = not self.configuration.listeners
        return self.node("sample", file=self.configuration.text, listens=listens)

    def beside(self, program):
        """Where a program is that was built with the node; None: it was not."""
        path = pathlib.Path(self.binary).with_name(program)
        return path if path.exists() else None

    def needs_fanload(self):
        if not self.fanload:
            raise Missing(f"there is no fanload beside {self.binary}")

    def path(self, text):
        """A PATH as somebody writes it who stands in the clone."""
        return text.replace("$PWD", str(self.clone)).replace("$PATH", f"{self.shims}:{PATH}")

    def reset(self):
        """What a sample leaves in Redis is nobody else's."""
        self.redis.command("CONFIG", "SET", "min-replicas-to-write", "0")
        self.redis.command("CONFIG", "SET", "notify-keyspace-events", "")
        self.redis.command("FLUSHALL")

    def shim(self, name, text):
        path = self.shims / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def node(self, name, options=(), env=None, file=None, listens=True):
        # Nothing but places differs from the defaults, and what the sample sets.
        return Node(self.processes, self.binary, name, self.redis.port, options, defaults=True, env=env, file=file, listens=listens)

    def local(self, command, node):
        """The same command for the ports of this run."""
        if node and not node.listens:
            command = self.configuration.local(command)
        if node:
            command = re.sub(r"(127\.0\.0\.1|fanfare):8080\b", f"127.0.0.1:{node.port}", command)
            command = re.sub(r"(127\.0\.0\.1|localhost):9090", f"127.0.0.1:{node.admin}", command)
        command = CERTIFICATE_WORD.sub(lambda found: f"server.{found[1]}={self.certificates.path(*found.groups())}", command)
        command = re.sub(r"(> |--secret-file |chmod 600 )secret\b", rf"\g<1>{self.scratch}/secret", command)
        # Where `make run` and `make example` have their Redis, and where nodes have it.
        command = re.sub(r"redis://(redis|127\.0\.0\.1):6379\b", f"redis://127.0.0.1:{self.redis.port}", command)
        return re.sub(r"(127\.0\.0\.1:|-p )16379\b", rf"\g<1>{self.redis.port}", command)
