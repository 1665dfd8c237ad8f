#!/usr/bin/env python3
"""Runs every sample of README.md, CONTRIBUTING.md, docs/*.md and the READMEs below examples/ and deploy/ against the real binary, so
that no document tells of a command that fails or a page that is refused.

Shell: each command by itself, the node with its defaults on a free port, unless the block starts one with `fanfare serve`, with the
document's last sample of a configuration where that says `--config fanfare.toml`. A
`curl -N` must begin a stream (or get the status that the comment behind it names, `# 429`), and `# {…}` below a command is
what it must print. `make` must know its target, `cargo` its package: what they do is what CI does. JSON is parsed, pages and
JavaScript run in Chromium, the recipe for nginx runs in nginx, TOML is a configuration file that a node accepts.

What cannot be run has the reason in front: `<!-- not run: … -->`. What is a file of the repository, where it is run, has its path in
front, `<!-- from: examples/… -->`, and must be what that file says. A sample that is none of these is a failure.

Usage: check-samples.py FANFARE_BINARY [docs/tls.md]...
"""

import http.client
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients"))
from harness import browser, ports  # noqa: E402
from harness.servers import PATH, Node, Processes, Redis, await_that  # noqa: E402

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("**/README.md")),
             ROOT / "deploy" / "README.md"]
FENCE = re.compile(r"^(?:(?P<reason><!-- not run: [^\n]+ -->)\n+|<!-- from: (?P<file>\S+) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Figures, with the command that has measured them: written by that command.
GENERATED = re.compile(r"<!-- (\S+):begin -->.*?<!-- \1:end -->", re.DOTALL)
# Where a document has its reader serve its page, and how the node is told of that origin.
PAGE_ORIGIN = re.compile(r"^\S*fanfare serve --cors-origins (\S+):3000$", re.MULTILINE)
# Where a configuration names files of TLS, which a node reads before it starts.
CERTIFICATE_FILE = re.compile(r'^(certificate|key|client_ca) = "/[^"]*"', re.MULTILINE)
# Where a command names them.
CERTIFICATE_WORD = re.compile(r"=/etc/fanfare/tls/tls\.(?:crt|key)\b")
# What is run as it is written. Nothing else is: a sample may name machines that are somebody's.
PROGRAMS = {"curl", "fanfare", "openssl", "redis-cli", "printf"}
# The first bytes of a stream: its head and `retry:`.
STREAM_SECONDS, COMMAND_SECONDS = 10, 30


class Sample:
    def __init__(self, path, match, text):
        self.path, self.where = path, f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start('language')) + 1}"
        self.language, self.text, self.reason, self.file = match["language"], match["text"], match["reason"], match["file"]
        origin = PAGE_ORIGIN.search(text)
        # Without the port, at which this run serves nothing.
        self.origin = origin and origin[1]
        self.is_served = "-m http.server 3000" in text


def samples(documents):
    for path in documents:
        text = path.read_text()
        generated = [found.span() for found in GENERATED.finditer(text)]
        for match in FENCE.finditer(text):
            if not any(begin < match.start() < end for begin, end in generated):
                yield Sample(path, match, text)


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
        self.node = None

    def run(self, sample):
        commands = commands_of(sample.text)
        try:
            for command, _, _ in commands:
                if command.startswith("export "):
                    name, _, value = shlex.split(command)[1].partition("=")
                    self.env[name] = self.world.path(value) if name == "PATH" else value
            if not any("fanfare serve" in command for command, _, _ in commands):
                self.node = self.world.node("sample", env=self.env)
            for command, comment, printed in commands:
                self.one(command, comment, printed)
        finally:
            for process in self.streams:
                self.world.processes.end(process)
            if self.node:
                self.world.processes.end(self.node.process)

    def one(self, command, comment, printed):
        words = shlex.split(command)
        while words and re.match(r"[A-Z][A-Z0-9_]*=", words[0]):
            words.pop(0)
        if words[:1] in ([], ["export"]):
            # Said to the node and to every command.
            return
        if words[:1] == ["make"]:
            self.make(words)
        elif words[:1] == ["cargo"]:
            packages = [words[index + 1] for index, word in enumerate(words) if word == "-p"]
            known = subprocess.run(["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"], cwd=ROOT,
                                   capture_output=True, check=True).stdout
            known = {package["name"] for package in json.loads(known)["packages"]}
            assert packages and set(packages) <= known, f"no such package: {packages}"
        elif "serve" in words and words[0].endswith("fanfare"):
            # It has a place of its own here.
            words = shlex.split(re.sub(r" --set server\.listen=\S+", "", self.world.local(command, None)))
            flags = {"--set": "{}", "--cors-origins": "server.cors_origins={}"}
            options = [flags[word].format(words[index + 1]) for index, word in enumerate(words) if word in flags]
            file = self.world.configuration if " --config fanfare.toml" in command else None
            understood = 2 + 2 * len(options) + (2 if file else 0)
            assert len(words) == understood, f"only {', '.join(flags)} and --config fanfare.toml are understood here: {command}"
            if self.node:
                self.world.processes.end(self.node.process)
            self.node = self.world.node("sample", options, file=file)
        elif words[:2] == ["curl", "-N"]:
            self.stream(command, comment)
        else:
            is_ours = words[0] == "sh" and (ROOT / words[1]).is_file()
            assert words[0] in PROGRAMS or is_ours, f"nothing here runs `{words[0]}`; mark the block with <!-- not run: why -->"
            self.command(command, printed)

    def make(self, words):
        # Settings and redirections are no targets.
        targets = [word for word in words[1:] if not re.search(r"[=>]", word)] or ["help"]
        known = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert set(targets) <= known, f"the Makefile has no target {targets}"

    def environment(self):
        given = {"PATH": self.world.path("$PWD/target/release:$PATH"), "SAMPLE_REDIS": str(self.world.redis.port), **self.env}
        if self.node:
            given["FANFARE__SERVER__LISTEN"] = f"127.0.0.1:{self.node.port}"
            given["FANFARE__ADMIN__LISTEN"] = f"127.0.0.1:{self.node.admin}"
        given["FANFARE__REDIS__URL"] = f"redis://127.0.0.1:{self.world.redis.port}"
        return given

    def stream(self, command, comment):
        """Stays open until the block ends."""
        status = re.match(r"(\d{3})\b", comment)
        seen = tempfile.TemporaryFile()
        command = self.world.local(command, self.node).replace("curl -N", "exec curl -sS -i -N", 1)
        process = self.world.processes.start("stream", ["bash", "-c", command], stdout=seen, cwd=ROOT, env=self.environment())
        self.streams.append(process)

        def answered():
            seen.seek(0)
            answer = seen.read().decode()
            version = "HTTP/2" if "--http2" in command else "HTTP/1.1"
            if status:
                return answer.startswith(f"{version} {status[1]} ")
            return answer.startswith(f"{version} 200 ") and "\nretry: " in answer and "content-length" not in answer.lower()

        await_that(f"a {status[1] if status else 'stream'} from: {command}", answered)

    def command(self, command, printed):
        local = self.world.local(command, self.node)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", local], cwd=ROOT, env={**os.environ, **self.environment()},
                              capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        answer = done.stdout.strip()
        # A problem of HTTP is no success, unless the document says that it comes.
        assert printed or '"type":"urn:fanfare:problem' not in answer, f"{command}\n{answer}"
        assert not re.search(r"^(ERR|NOPERM|WRONGTYPE|NOAUTH) ", answer, re.MULTILINE), f"{command}\n{answer}"
        if printed:
            assert answer == "\n".join(printed), f"{command}\nprints {answer}\nand not {printed}"


class World:
    def __init__(self, binary, scratch):
        self.binary, self.scratch = os.path.abspath(binary), pathlib.Path(scratch)
        self.processes = Processes(scratch)
        self.redis = Redis(self.processes)
        self.shims = self.scratch / "bin"
        self.shims.mkdir()
        self.shim("redis-cli", f'exec {shutil.which("redis-cli", path=PATH)} -e -p "$SAMPLE_REDIS" "$@"')
        # A clone in which the binary was built.
        self.clone = self.scratch / "clone"
        (self.clone / "target/release").mkdir(parents=True)
        (self.clone / "target/release/fanfare").symlink_to(self.binary)
        (self.scratch / "fanfare.toml").write_text("[server]\nkeep_alive = \"30s\"\n")
        self.configuration = None

    def path(self, text):
        """A PATH as somebody writes it who stands in the clone."""
        return text.replace("$PWD", str(self.clone)).replace("$PATH", f"{self.shims}:{PATH}")

    def reset(self):
        """What a sample leaves in Redis is nobody else's."""
        self.redis.command("CONFIG", "SET", "min-replicas-to-write", "0")
        self.redis.command("CONFIG", "SET", "notify-keyspace-events", "")
        self.redis.command("FLUSHALL")

    def certificate(self):
        """A file with a certificate and its key."""
        path = self.scratch / "certificate.pem"
        if not path.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=sample",
                            "-addext", "subjectAltName=DNS:sample.example", "-keyout", path, "-out", self.scratch / "chain.pem"],
                           check=True, capture_output=True, timeout=COMMAND_SECONDS)
            path.write_text(path.read_text() + (self.scratch / "chain.pem").read_text())
        return path

    def shim(self, name, text):
        path = self.shims / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def node(self, name, options=(), env=None, file=None):
        # Nothing but places differs from the defaults, and what the sample sets.
        return Node(self.processes, self.binary, name, self.redis.port, options, defaults=True, env=env, file=file)

    def local(self, command, node):
        """The same command for the ports of this run."""
        if node:
            command = command.replace("127.0.0.1:8080", f"127.0.0.1:{node.port}")
            command = re.sub(r"(127\.0\.0\.1|localhost):9090", f"127.0.0.1:{node.admin}", command)
        command = CERTIFICATE_WORD.sub(lambda _: f"={self.certificate()}", command)
        command = re.sub(r"(> |--secret-file |chmod 600 )secret\b", rf"\g<1>{self.scratch}/secret", command)
        # Where `make run` and `make example` have their Redis.
        command = re.sub(r"(127\.0\.0\.1:|-p )16379\b", rf"\g<1>{self.redis.port}", command)
        return command.replace("fanfare.toml", str(self.scratch / "fanfare.toml"))


class Heard:
    """What a page logged."""

    def __init__(self):
        self.lines = []

    def __call__(self, *words):
        self.lines.append(" ".join(str(word) for word in words))

    def has(self, *parts):
        return any(all(part in line for part in parts) for line in list(self.lines))


# What the page writes to the console and what it shows.
CONSOLE = browser.SAY + """<script>
console.log = console.warn = say;
window.reload = (gap) => say('reload', gap.channel);
new MutationObserver(() => say(document.body.innerText)).observe(document, { subtree: true, childList: true, characterData: true });
</script>"""


def open_page(world, html, heard, port=0):
    return browser.Page(world.processes, "chromium", CONSOLE + html, heard, port=port)


def check_page(world, sample):
    """A page whose stream works tells, or shows, that it is connected, of events, of a gap and of a lost connection; one that CORS refuses
    says so. Where the document has its reader serve the page, the node admits what the document says and no other origin, and the page
    is connected again as soon as the node is back."""
    html, heard, port = sample.text, Heard(), ports.take()
    assert sample.origin or not sample.is_served, "its document has no node that admits its origin"
    node = world.node("page", [f"server.cors_origins={sample.origin}:{port}" if sample.origin else 'server.cors_origins=["*"]'])
    publish = lambda *more: world.redis.command("FCALL", "sse_publish", "1", "sse:orders", *more)  # noqa: E731
    # A node by itself is on 8080, the first one of `make run` on 8081.
    here = lambda node: re.sub(r"http://127\.0\.0\.1:808[01]", f"http://127.0.0.1:{node.port}", html)  # noqa: E731
    page = open_page(world, here(node), heard, port)
    try:
        await_that("the page says that it is connected", lambda: heard.has("connected"))

        def told():
            publish("DATA", '{"n":1}')
            publish("DATA", '{"n":2}', "EVENT", "created")
            time.sleep(0.2)
            return heard.has('{"n":1}') and heard.has("created")

        await_that(f"the page hears of events: {heard.lines}", told)
        world.redis.command("DEL", "sse:orders")
        publish("DATA", "after the stream was deleted")
        await_that("the page hears of a gap", lambda: heard.has("are missing"))
        world.processes.end(node.process)
        await_that("the page hears that the connection is lost", lambda: heard.has("comes back by itself"))
        if sample.origin:
            heard.lines.clear()
            node.start()
            await_that("the page says that it is connected again", lambda: heard.has("connected"))
    finally:
        page.close()
        world.processes.end(node.process)
    node, heard = world.node("page-refused"), Heard()
    page = open_page(world, here(node), heard)
    try:
        await_that("the page hears that it was refused", lambda: heard.has("refused"))
        assert not heard.has("comes back by itself"), heard.lines
    finally:
        page.close()
        world.processes.end(node.process)


def check_script(world, sample):
    """The script of the README: events and a gap."""
    node, heard = world.node("script", ['server.cors_origins=["*"]']), Heard()
    script = re.sub(r"https://events\.example\.org", f"http://127.0.0.1:{node.port}", sample.text)
    channel = re.search(r"channel=([a-z]+)", script)[1]
    page = open_page(world, f"<script>{script}</script>", heard)
    try:
        def told():
            world.redis.publish(channel, "hello from a test")
            time.sleep(0.2)
            return heard.has("hello from a test")

        await_that("the script hears of events", told)
        world.redis.command("DEL", f"sse:{channel}")
        world.redis.publish(channel, "after the stream was deleted")
        await_that("the script hears of a gap", lambda: heard.has("reload", channel))
    finally:
        page.close()
        world.processes.end(node.process)


class Application(http.server.BaseHTTPRequestHandler):
    """Decides who may read what, for the recipes: whoever has the cookie may read the channel `mine`."""

    def do_GET(self):
        allowed = "user=7" in self.headers.get("Cookie", "")
        self.send_response(204 if allowed else 403)
        if allowed:
            self.send_header("X-Channels", "channel=mine")
            # Without it a node that wants one lets nobody in.
            if "user=7; forgetful" not in self.headers["Cookie"]:
                self.send_header("X-Fanfare-Token", self.server.token)
        self.end_headers()

    def log_message(self, *_):
        pass


class BehindNginx:
    """A node behind a recipe for nginx that asks an application."""

    def __init__(self, world, recipe, file=None):
        self.world, secret = world, "a secret of thirty-two bytes or more"
        self.application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        (world.scratch / "secret").write_text(secret)
        (world.scratch / "secret").chmod(0o600)
        mint = [world.binary, "token", "mint", "--secret-file", world.scratch / "secret", "--issuer", "my-app", "--audience", "fanfare",
                "--subject", "7", "--subscribe", "mine"]
        self.application.token = subprocess.run(mint, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS).stdout.strip()
        threading.Thread(target=self.application.serve_forever, daemon=True).start()
        file = file and file.replace("/etc/fanfare/secret", str(world.scratch / "secret"))
        self.node, self.port = world.node("behind-nginx", file=file), ports.take()
        world.redis.publish("mine", "what is mine")
        world.redis.publish("secret", "what is secret")
        conf = world.scratch / "nginx.conf"
        conf.write_text(f"""
            daemon off; error_log stderr; pid {world.scratch}/nginx.pid; events {{}}
            http {{
              access_log off; {" ".join(f"{kind}_temp_path {world.scratch}/{kind};" for kind in
                                        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])}
              upstream fanfare {{ server 127.0.0.1:{self.node.port}; }}
              upstream application {{ server 127.0.0.1:{self.application.server_port}; }}
              server {{ listen 127.0.0.1:{self.port}; {recipe} }}
            }}""")
        self.nginx = world.processes.start("nginx", ["nginx", "-c", str(conf), "-p", str(world.scratch)])

    def __enter__(self):
        await_that("nginx listens", lambda: self.get("/", {}).status == 404, self.nginx)
        return self

    def __exit__(self, *_):
        self.world.processes.end(self.nginx)
        self.world.processes.end(self.node.process)
        self.application.shutdown()

    def get(self, path, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STREAM_SECONDS)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def is_closed_to_others(self):
        assert self.get("/events?channel=mine", {}).status == 403, "a stranger reads"
        for path in ["/channels/secret/history", "/who", "/events/", "/metrics"]:
            assert self.get(path, {"Cookie": "user=7"}).status in (403, 404), f"{path} is open"

    def reads_mine_only(self, query):
        response = self.get(f"/events?{query}&last=5", {"Cookie": "user=7"})
        assert response.status == 200, f"{query}: {response.status}"
        self.world.redis.publish("secret", "what is secret")
        self.world.redis.publish("mine", "what is mine")
        seen = b""
        while b"what is mine" not in seen:
            seen += response.readline()
        assert b"secret" not in seen, f"{query}: {seen}"

    def resumes(self, query):
        here = self.world.redis.publish("mine", "before")
        self.world.redis.publish("mine", "after")
        for more, headers in [("", {"Last-Event-ID": here}), (f"&lastEventId={here}", {})]:
            response, seen = self.get(f"/events?{query}{more}", {"Cookie": "user=7", **headers}), b""
            while b"data: after" not in seen:
                seen += response.readline()
            assert b"data: before" not in seen and b"$gap" not in seen, f"no resumption: {seen}"


def check_nginx(world, sample):
    """Nobody reads without the application's leave, and nobody anything but what it names, or its token gives."""
    if "X-Fanfare-Token".lower().replace("-", "_") in sample.text:
        return check_nginx_with_tokens(world, sample)
    with BehindNginx(world, sample.text) as behind:
        behind.is_closed_to_others()
        for query in ["channel=secret", "channel=secret&channel=mine", "lastEventId=x%26channel%3Dsecret", "channel=mine%23&channel=secret"]:
            behind.reads_mine_only(query)
        behind.resumes("x=y")


def check_nginx_with_tokens(world, sample):
    file = '[auth]\nenabled = true\n[[auth.issuers]]\nissuer = "my-app"\naudience = ["fanfare"]\nsecret_file = "/etc/fanfare/secret"\n'
    assert all(line in (ROOT / "docs/auth.md").read_text() for line in file.splitlines()), "the document has another configuration"
    with BehindNginx(world, sample.text, file) as behind:
        behind.is_closed_to_others()
        for query in ["channel=secret", "channel=mine&channel=secret"]:
            status = behind.get(f"/events?{query}", {"Cookie": "user=7"}).status
            assert status == 403, f"{query}: {status}"
        for headers in [{"Cookie": "user=7; forgetful"}, {"Cookie": "user=7; forgetful", "Authorization": f"Bearer {behind.application.token}"}]:
            status = behind.get("/events?channel=mine", headers).status
            assert status == 401, f"without a token of the application: {status}"
        behind.reads_mine_only("channel=mine")
        behind.resumes("channel=mine")


def check_configuration(world, sample):
    """A node would start with it, as far as that can be said without the files that it names. Certificates are read: here, others than those."""
    file = world.scratch / "sample.toml"
    file.write_text(CERTIFICATE_FILE.sub(lambda found: f'{found[1]} = "{world.certificate()}"', sample.text))
    done = subprocess.run([world.binary, "config", "check", "--config", file], capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, f"{sample.text}\n{done.stdout}{done.stderr}"
    world.configuration = sample.text.replace('"secret"', f'"{world.scratch}/secret"')


def check_file(sample):
    """It is what the file says that is run elsewhere."""
    assert sample.text == (ROOT / sample.file).read_text(), f"{sample.file} says otherwise"


NEEDS = {"html": "chromium", "js": "chromium", "nginx": "nginx"}
CHECKS = {
    "sh": lambda world, sample: Shell(world).run(sample),
    "json": lambda world, sample: json.loads(sample.text),
    "html": check_page,
    "js": check_script,
    "nginx": check_nginx,
    "toml": check_configuration,
    # Pictures and bytes.
    "http": lambda world, sample: None,
    "text": lambda world, sample: None,
    "": lambda world, sample: None,
}


def verdict(world, sample):
    """Whether it was run."""
    program = NEEDS.get(sample.language)
    if sample.reason:
        return False
    if sample.file:
        check_file(sample)
        return True
    if program and not shutil.which(program, path=PATH):
        print(f"SKIPPED {sample.where}: {program} is missing")
        return False
    assert sample.language in CHECKS, f"nothing here runs {sample.language}; mark it with <!-- not run: why -->"
    world.reset()
    CHECKS[sample.language](world, sample)
    return True


def main(binary, names):
    documents = [ROOT / name for name in names] or DOCUMENTS
    passed, failed, skipped, read = 0, 0, 0, None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        world = World(binary, scratch)
        try:
            for sample in samples(documents):
                if sample.path != read:
                    # What another document configures is its own.
                    read, world.configuration = sample.path, None
                try:
                    if verdict(world, sample):
                        passed += 1
                    else:
                        skipped += 1
                except Exception as error:  # noqa: BLE001 - whatever it was is the verdict
                    failed += 1
                    print(f"FAILED {sample.where}: {type(error).__name__}: {error}")
        finally:
            world.processes.end_all()
    print(f"samples: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
