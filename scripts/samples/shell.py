"""Samples for a shell."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import tempfile

from harness import ports
from harness.servers import PATH, await_that, get

from . import COMMAND_SECONDS, ROOT, STREAM_SECONDS, Missing, marks
from .configuration import HOSTS
from .loadtest import LoadTests

# A variable of the shell that later commands use.
VARIABLE = re.compile(r"([a-z]+)=(\$\(.+\))")
# What is run as it is written. Nothing else is: a sample may name machines that are somebody's.
PROGRAMS = {"curl", "fanfare", "openssl", "redis-cli", "printf"}
# By the scenario of `fanload`: what is said in place of thousands of clients.
FEW = {"rate": " --connections 20 --events 40", "churn": " --connections 20 --cuts 20 --events 40", "hold": " --baseline 10 --connections 20", "many": " --connections 20"}
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


@dataclasses.dataclass
class Command:
    """`words`: without what is set in front of it. `comment`: behind it. `printed`: what it must print."""

    text: str
    words: list
    comment: str
    printed: list


class Shell:
    """Runs the commands of one block. Programs that need to be told where things are find that out by shims on the PATH."""

    def __init__(self, world):
        self.world, self.streams, self.env = world, [], {}
        self.node = self.loadtests = None
        self.exported = []
        # By the first words of a command. What is in none of them is run as it stands (`PROGRAMS`).
        self.handlers = {
            ("make", "loadtest"): self.loadtest,
            ("make",): self.make,
            ("cargo",): self.cargo,
            ("fanfare", "serve"): self.fanfare_serve,
            ("curl", "-N"): self.stream,
            ("python3", "-m", "http.server"): self.serve,
            ("fanload", "floor"): self.floor,
            ("fanload",): self.load,
            ("redis-server",): self.redis_server,
            ("redis-cli", "ping", "||", "redis-server"): self.own_redis,
            ("sudo", "apt-get", "install"): self.debian_packages,
            ("docker", "run"): self.container,
            ("perf",): self.perf,
            ("/usr/bin/python3",): self.debian_python,
        }

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
        words[0] = words[0].removeprefix("target/release/")
        for beginning, handler in self.handlers.items():
            if words[:len(beginning)] == [*beginning]:
                handler(Command(command, words, comment, printed))
                return
        is_ours = words[0] == "sh" and (ROOT / words[1]).is_file()
        assert words[0] in PROGRAMS or is_ours, f"nothing here runs `{words[0]}`; mark the block with <!-- not run: why -->"
        self.command(command, printed)

    def loadtest(self, command):
        self.loadtests = self.loadtests or LoadTests(self.world)
        self.loadtests.begin(command.text, self.exported)

    def cargo(self, command):
        packages = [command.words[index + 1] for index, word in enumerate(command.words) if word == "-p"]
        known = subprocess.run(["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"], cwd=ROOT, capture_output=True, check=True).stdout
        known = {package["name"] for package in json.loads(known)["packages"]}
        assert packages and set(packages) <= known, f"no such package: {packages}"

    def fanfare_serve(self, command):
        # It has a place of its own here.
        words = shlex.split(re.sub(r" --set server\.listen=\S+| &$", "", self.world.local(command.text, None)))
        flags = {"--set": "{}", "--cors-origins": "server.cors_origins={}"}
        options = [flags[word].format(words[index + 1]) for index, word in enumerate(words) if word in flags]
        file = self.world.configuration.text if " --config fanfare.toml" in command.text else None
        understood = 2 + 2 * len(options) + (2 if file else 0)
        assert len(words) == understood, f"only {', '.join(flags)} and --config fanfare.toml are understood here: {command.text}"
        if self.node:
            self.world.processes.end(self.node.process)
        self.node = self.world.node("sample", options, file=file, listens=not (file and self.world.configuration.listeners))

    def container(self, command):
        """What runs in it, with the environment that it is given and its mounts from this run."""
        flags = [(word, command.words[index + 1]) for index, word in enumerate(command.words) if word in ("-p", "-v", "-e")]
        assert len(command.words) == 3 + 2 * len(flags) and command.words[-1] == "fanfare", f"only -p, -v, -e and the image are understood here: {command.text}"
        mounts = {inside: outside for flag, mount in flags if flag == "-v" for outside, inside in [mount.split(":")[:2]]}
        published = {port.rpartition(":")[2] for flag, port in flags if flag == "-p"}
        env = dict(setting.split("=", 1) for flag, setting in flags if flag == "-e")
        assert env.pop("FANFARE__SERVER__LISTEN").rpartition(":")[2] in published, "the port at which it listens is not published"
        for name in ("certificate", "key"):
            variable = f"FANFARE__SERVER__{name.upper()}"
            folder, _, file = env[variable].rpartition("/")
            env[variable] = str(self.world.certificates.path(name, f"{mounts[folder]}/{file}"))
        assert env.pop("FANFARE__REDIS__URL").startswith("redis://redis:"), "its Redis is another container"
        self.world.processes.end(self.node.process)
        self.node = self.world.node("sample", env=env)
        context = ssl.create_default_context(cafile=self.world.certificates.made().root)
        with socket.create_connection(("127.0.0.1", self.node.port), STREAM_SECONDS) as connection:
            context.wrap_socket(connection, server_hostname=HOSTS[0]).close()

    def redis_server(self, command):
        """It starts. Nodes and commands have the one of this run."""
        port = command.words.index("--port") + 1
        command.words[port] = str(ports.take())
        server = self.start("redis-server", command.words)
        self.await_listener(command, command.words[port], server)

    def own_redis(self, command):
        """A service of the machine, or a server that goes on when the shell is gone: here on a port at which nobody listens yet."""
        port = str(ports.take())
        self.world.shim("redis-server", f'exec {shutil.which("redis-server", path=PATH)} --port {port} --bind 127.0.0.1 --dir {self.world.scratch} "$@"')
        env = {"SAMPLE_REDIS": port}
        try:
            self.command(command.text, command.printed, env)
            self.await_listener(command, port)
            assert self.command("redis-cli ping", [], env) == "PONG"
        finally:
            (self.world.shims / "redis-server").unlink()
            subprocess.run(["redis-cli", "-p", port, "shutdown", "nosave"], capture_output=True, timeout=COMMAND_SECONDS)

    def await_listener(self, command, port, process=None):
        await_that(f"a redis-server by: {command.text}", lambda: socket.create_connection(("127.0.0.1", int(port)), 1).close() is None, process)

    def debian_packages(self, command):
        """They exist. This machine is not changed."""
        if not shutil.which("apt-get"):
            raise Missing("this is no Debian")
        packages = [word for word in command.words[3:] if not word.startswith("-")]
        done = subprocess.run(["apt-get", "install", "--simulate", *packages], capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert packages and done.returncode == 0, f"{command.text}\n{done.stdout}{done.stderr}"

    def debian_python(self, command):
        if subprocess.run(["/usr/bin/python3", "-c", "import redis"], capture_output=True, timeout=COMMAND_SECONDS).returncode:
            raise Missing("Debian's Python has no redis")
        self.command(command.text, command.printed)

    def load(self, command):
        """A few clients of `fanload`, to their end or behind what follows."""
        self.world.needs_fanload()
        text = MANY.sub("", command.text.removesuffix(" &")) + FEW.get(command.words[1], "")
        if command.text.endswith(" &"):
            self.start("fanload", ["bash", "-c", f"exec {self.world.local(text, self.node)}"])
        else:
            self.command(text, command.printed)

    def perf(self, command):
        """Into a file: where its output is a pipe, the record goes there."""
        may = ["perf", "record", "-e", "cpu-clock", "-o", "/dev/null", "true"]
        if not shutil.which("perf") or subprocess.run(may, capture_output=True, timeout=COMMAND_SECONDS).returncode:
            raise Missing("perf is missing, or may not measure here")
        text = re.sub(r'"\$\(pidof fanfare\)" -- sleep \d+', f"{self.node.process.pid} -- sleep 1", command.text)
        self.command(f"{text} >perf.out", command.printed)

    def make(self, command):
        """What it does is what CI does, or takes an hour: here it says what it would do, and the programs for that understand how it would call them."""
        marks.check_settings(command.text)
        dry = re.sub(r"\bmake\b", "make --dry-run", command.text, count=1)
        said = subprocess.run(["bash", "-euo", "pipefail", "-c", dry], cwd=self.world.clone, env={**os.environ, "CARGO_TARGET_DIR": "target"},
                              capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert said.returncode == 0, f"{command.text}\n{said.stderr}"
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

    def serve(self, command):
        """It serves the document's last page to whoever has saved that as the document says."""
        (self.world.clone / "index.html").write_text(self.world.page)
        command.words[3] = port = str(ports.take())
        server = self.start("http-server", command.words)
        await_that("the page is served", lambda: get(int(port), "/")[2].decode() == self.world.page, server)

    def floor(self, command):
        self.world.needs_fanload()
        said = tempfile.NamedTemporaryFile()
        server = self.start("floor", ["bash", "-c", f"exec {command.text}"], stdout=said)
        listens = lambda: re.search(rb"events on 127\.0\.0\.1:(\d+)", pathlib.Path(said.name).read_bytes())  # noqa: E731
        await_that(f"it says where it listens: {command.text}", listens, server)
        socket.create_connection(("127.0.0.1", int(listens()[1])), STREAM_SECONDS).close()

    def environment(self):
        given = {"PATH": self.world.path("$PWD/target/release:$PATH"), "SAMPLE_REDIS": str(self.world.redis.port), **self.env}
        if self.node:
            if not self.world.configuration.listeners:
                given["FANFARE__SERVER__LISTEN"] = f"127.0.0.1:{self.node.port}"
            given["FANFARE__ADMIN__LISTEN"] = f"127.0.0.1:{self.node.admin}"
        given["FANFARE__REDIS__URL"] = f"redis://127.0.0.1:{self.world.redis.port}"
        return given

    def stream(self, command):
        """Stays open until the block ends."""
        status = re.match(r"(\d{3})\b", command.comment)
        seen = tempfile.TemporaryFile()
        command = self.world.local(command.text.replace("curl -N", "exec curl -sS -i -N", 1), self.node)
        self.start("stream", ["bash", "-c", command], stdout=seen)

        def answered():
            seen.seek(0)
            answer = seen.read().decode()
            version = "HTTP/2" if "--http2" in command or "https://" in command else "HTTP/1.1"
            if status:
                return answer.startswith(f"{version} {status[1]} ")
            return answer.startswith(f"{version} 200 ") and "\nretry: " in answer and "content-length" not in answer.lower()

        await_that(f"a {status[1] if status else 'stream'} from: {command}", answered)

    def command(self, command, printed, env=None):
        """Runs it to its end and returns what it prints."""
        local, given = self.world.local(command, self.node), {**self.environment(), **(env or {})}
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
