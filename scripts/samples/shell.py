"""Samples for a shell."""

import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile

from harness import ports
from harness.servers import await_that, get

from . import COMMAND_SECONDS, ROOT, STREAM_SECONDS, marks
from .loadtest import LoadTests

# A variable of the shell that later commands use.
VARIABLE = re.compile(r"([a-z]+)=(\$\(.+\))")
# What is run as it is written. Nothing else is: a sample may name machines that are somebody's.
PROGRAMS = {"curl", "fanfare", "fanload", "openssl", "redis-cli", "printf"}
# By the scenario of `fanload`: what is said in place of thousands of clients.
FEW = {"rate": " --connections 20 --events 40", "churn": " --connections 20 --cuts 20 --events 40", "hold": " --baseline 10 --connections 20"}
MANY = re.compile(r" --(?:connections|rate|duration) \S+")
WITH_AND_WITHOUT_TLS = '[[server.listen]]\naddress = "0.0.0.0:8080"\n' + "".join(
    f'[[server.listen]]\naddress = "0.0.0.0:{port}"\ncertificate = "/tls.crt"\nkey = "/tls.key"\n' for port in (443, 8443))


def commands_of(text):
    """Each command of a block, with the comment behind it and the lines `# …` below it."""
    commands = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("#"):
            if commands:
                commands[-1][2].append(line.removeprefix("#").strip())
            continue
        command, _, comment = line.partition(" # ") if " # " in line else (line, "", "")
        if command.strip():
            commands.append((command.strip(), comment.strip(), []))
    return commands


class Shell:
    """Runs the commands of one block. Programs that need to be told where things are find that out by shims on the PATH."""

    def __init__(self, world):
        self.world, self.streams, self.env = world, [], {}
        self.node = self.loadtests = None
        self.exported = []

    def run(self, sample):
        commands = commands_of(sample.text)
        try:
            for command, _, _ in commands:
                if command.startswith("export "):
                    name, _, value = shlex.split(command)[1].partition("=")
                    self.env[name] = self.world.path(value) if name == "PATH" else value
            if sample.node:
                if sample.node == "with and without TLS":
                    self.world.configure(WITH_AND_WITHOUT_TLS)
                self.node = self.world.configured_node()
            elif not any("fanfare serve" in command for command, _, _ in commands):
                self.node = self.world.node("sample", env=self.env)
            self.exported = [command for command, _, _ in commands if command.startswith("export ")]
            for command, comment, printed in commands:
                self.one(command, comment, printed)
            if self.loadtests:
                self.loadtests.finish()
        finally:
            if self.loadtests:
                self.loadtests.end()
            for process in self.streams:
                self.world.processes.end(process)
            if self.node:
                self.world.processes.end(self.node.process)

    def one(self, command, comment, printed):
        if variable := VARIABLE.fullmatch(command):
            self.env[variable[1]] = self.command(f'printf %s "{variable[2]}"', printed)
            return
        words = shlex.split(command.removesuffix(" &"))
        while words and re.match(r"[A-Z][A-Z0-9_]*=", words[0]):
            words.pop(0)
        if words[:1] in ([], ["export"]):
            # Said to the node and to every command.
            return
        if words[:2] == ["make", "loadtest"]:
            self.loadtests = self.loadtests or LoadTests(self.world)
            self.loadtests.begin(command, self.exported)
        elif words[:1] == ["make"]:
            self.make(command)
        elif words[:1] == ["cargo"]:
            packages = [words[index + 1] for index, word in enumerate(words) if word == "-p"]
            known = subprocess.run(["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"], cwd=ROOT,
                                   capture_output=True, check=True).stdout
            known = {package["name"] for package in json.loads(known)["packages"]}
            assert packages and set(packages) <= known, f"no such package: {packages}"
        elif "serve" in words and words[0].endswith("fanfare"):
            # It has a place of its own here.
            words = shlex.split(re.sub(r" --set server\.listen=\S+| &$", "", self.world.local(command, None)))
            flags = {"--set": "{}", "--cors-origins": "server.cors_origins={}"}
            options = [flags[word].format(words[index + 1]) for index, word in enumerate(words) if word in flags]
            file = self.world.configuration.text if " --config fanfare.toml" in command else None
            understood = 2 + 2 * len(options) + (2 if file else 0)
            assert len(words) == understood, f"only {', '.join(flags)} and --config fanfare.toml are understood here: {command}"
            if self.node:
                self.world.processes.end(self.node.process)
            self.node = self.world.node("sample", options, file=file, listens=not (file and self.world.configuration.listeners))
        elif words[:2] == ["curl", "-N"]:
            self.stream(command, comment)
        elif words[:3] == ["python3", "-m", "http.server"]:
            self.serve(words)
        elif words[:2] == ["fanload", "floor"]:
            self.floor(command)
        elif words[0] == "redis-server":
            # It starts. Nodes and commands have the one of this run.
            port = words.index("--port") + 1
            words[port] = str(ports.take())
            server = self.start("redis-server", words)
            await_that(f"a redis-server by: {command}", lambda: socket.create_connection(("127.0.0.1", int(words[port])), 1).close() is None, server)
        else:
            is_ours = words[0] == "sh" and (ROOT / words[1]).is_file()
            program = words[0].removeprefix("target/release/")
            assert program in PROGRAMS or is_ours, f"nothing here runs `{program}`; mark the block with <!-- not run: why -->"
            if program == "fanload":
                self.world.needs_fanload()
                command = MANY.sub("", command) + FEW.get(words[1], "")
            self.command(command, printed)

    def make(self, command):
        """What it does is what CI does, or takes an hour: here it says what it would do, and the programs for that understand how it would call them."""
        marks.check_settings(command)
        said = subprocess.run(["bash", "-euo", "pipefail", "-c", re.sub(r"\bmake\b", "make --dry-run", command, count=1)], cwd=self.world.clone,
                              env={**os.environ, "CARGO_TARGET_DIR": "target"}, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert said.returncode == 0, f"{command}\n{said.stderr}"
        for program, arguments in re.findall(r'"target/\w+/(fanload|chaos)" ([^\n;|&>]+)', said.stdout):
            self.understands(program, arguments)

    def understands(self, program, arguments):
        if binary := self.world.beside(program):
            done = subprocess.run(["bash", "-c", f"'{binary}' {arguments} --help"], capture_output=True, text=True, timeout=COMMAND_SECONDS)
            assert done.returncode == 0, f"{program} {arguments}\n{done.stderr}"

    def start(self, name, command, **options):
        """A program that goes on until the block ends."""
        process = self.world.processes.start(name, command, cwd=self.world.clone, env=self.environment(), **options)
        self.streams.append(process)
        return process

    def serve(self, words):
        """It serves the document's last page to whoever has saved that as the document says."""
        (self.world.clone / "index.html").write_text(self.world.page)
        words[3] = port = str(ports.take())
        server = self.start("http-server", words)
        await_that("the page is served", lambda: get(int(port), "/")[2].decode() == self.world.page, server)

    def floor(self, command):
        self.world.needs_fanload()
        said = tempfile.NamedTemporaryFile()
        server = self.start("floor", ["bash", "-c", f"exec {command}"], stdout=said)
        listens = lambda: re.search(rb"events on 127\.0\.0\.1:(\d+)", pathlib.Path(said.name).read_bytes())  # noqa: E731
        await_that(f"it says where it listens: {command}", listens, server)
        socket.create_connection(("127.0.0.1", int(listens()[1])), STREAM_SECONDS).close()

    def environment(self):
        given = {"PATH": self.world.path("$PWD/target/release:$PATH"), "SAMPLE_REDIS": str(self.world.redis.port), **self.env}
        if self.node:
            if not self.world.configuration.listeners:
                given["FANFARE__SERVER__LISTEN"] = f"127.0.0.1:{self.node.port}"
            given["FANFARE__ADMIN__LISTEN"] = f"127.0.0.1:{self.node.admin}"
        given["FANFARE__REDIS__URL"] = f"redis://127.0.0.1:{self.world.redis.port}"
        return given

    def stream(self, command, comment):
        """Stays open until the block ends."""
        status = re.match(r"(\d{3})\b", comment)
        seen = tempfile.TemporaryFile()
        command = self.world.local(command.replace("curl -N", "exec curl -sS -i -N", 1), self.node)
        self.start("stream", ["bash", "-c", command], stdout=seen)

        def answered():
            seen.seek(0)
            answer = seen.read().decode()
            version = "HTTP/2" if "--http2" in command or "https://" in command else "HTTP/1.1"
            if status:
                return answer.startswith(f"{version} {status[1]} ")
            return answer.startswith(f"{version} 200 ") and "\nretry: " in answer and "content-length" not in answer.lower()

        await_that(f"a {status[1] if status else 'stream'} from: {command}", answered)

    def command(self, command, printed):
        local, given = self.world.local(command, self.node), self.environment()
        if re.search(r"fanload .*https://events\.", command):
            # In the document the certificate is of a public authority. Here the machine knows ours.
            given["SSL_CERT_FILE"] = str(self.world.certificates.made().root)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", local], cwd=self.world.clone, env={**os.environ, **given},
                              capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        answer = done.stdout.strip()
        # A problem of HTTP is no success, unless the document says that it comes.
        assert printed or '"type":"urn:fanfare:problem' not in answer, f"{command}\n{answer}"
        assert answer != "null", f"{command}\nfinds nothing"
        assert not re.search(r"^(ERR|NOPERM|WRONGTYPE|NOAUTH) ", answer, re.MULTILINE), f"{command}\n{answer}"
        if printed:
            wanted = ".*".join(re.escape(part) for part in "\n".join(printed).split("…"))
            assert re.fullmatch(wanted, answer), f"{command}\nprints {answer}\nand not {printed}"
        return answer
