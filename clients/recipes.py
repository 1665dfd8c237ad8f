#!/usr/bin/env python3
"""Runs the recipes of docs/auth.md for Express, Django, Rails and Symfony, each in the smallest application of its framework (applications/).

Their text is taken from the document. Nobody gets a ticket without logging in; with it, its stream hears of the user's own channel; when the
node refuses or is away the page is told to ask again. A node asks the application of Express what a stream may have, too. A framework that is
missing and cannot be installed is named and left out; where all are, that is a failure.

Usage: recipes.py FANFARE_BINARY FOLDER [recipes | recipes/NAME]…    FOLDER: where they are installed, below `recipes`
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import building, documents, ports  # noqa: E402
from harness.servers import PATIENCE, Node, Processes, Redis, await_that, last_words  # noqa: E402

APPLICATIONS = pathlib.Path(__file__).resolve().parent / "applications"
DOCUMENT, NODE = "auth.md", "http://fanfare:8080"
# Where an application has one of the document's recipes: its language, by the file, and the heading that it stands below.
PLACE = re.compile(r"^ *(?://|#) docs/auth\.md: (.+)$", re.MULTILINE)
LANGUAGES = {".js": "js", ".php": "php", ".py": "python", ".rb": "ruby", ".yaml": "yaml"}
KEY, OTHER_KEY = "a-publish-key-of-some-length", "another-key-that-was-changed"


@dataclass
class Recipe:
    """`folder`: its application. `needs`: what has to succeed for its framework to be here, or to be installed. `run` finds what was installed
    in `INSTALLED`, and where to listen in `PORT`. `decides`: the node asks it, too."""

    folder: str
    needs: list
    installs: list
    run: str
    env: dict = field(default_factory=dict)
    decides: bool = False


# What Debian's packages have to bring.
RUBY = "ruby -e 'require \"rails\"; require \"active_model\"; require \"devise\"; require \"webrick\"'"
PHP = "php -r 'foreach ([\"Bundle/SecurityBundle\", \"Component/HttpClient\", \"Component/Yaml\"] as $name) require \"Symfony/$name/autoload.php\";'"
NPM = (["node --version", "npm --version"], ["npm ci --silent --no-audit --no-fund --ignore-scripts"],
       'NODE_PATH="$INSTALLED/node_modules" exec node application.js')
RECIPES = {
    "express": Recipe("express", *NPM, {"EXPRESS": "express"}, decides=True),
    "express-4": Recipe("express", *NPM, {"EXPRESS": "express4"}, decides=True),
    "django": Recipe("django", ["python3 -c 'import venv, ensurepip'"],
                     ["python3 -m venv venv", "venv/bin/pip install --quiet --no-compile --require-hashes -r requirements.txt"],
                     'exec "$INSTALLED/venv/bin/python" application.py'),
    "rails": Recipe("rails", [RUBY], [], "exec ruby application.rb"),
    "symfony": Recipe("symfony", [PHP], [], 'exec php -S "127.0.0.1:$PORT" application.php'),
}


def write_application(source, folder, node):
    """A copy with the recipes in their places, which ask this node."""
    shutil.copytree(source, folder)
    places = 0
    for path in folder.iterdir():
        if language := LANGUAGES.get(path.suffix):
            text = PLACE.sub(lambda place: documents.sample(DOCUMENT, place[1], language), path.read_text())
            places += text.count(f"{NODE}/tickets")
            path.write_text(text.replace(NODE, f"http://127.0.0.1:{node.port}"))
    assert places == 1, f"{places} recipes of {source.name} ask {NODE} for a ticket"


class Visitor:
    """A browser as far as it matters here: cookies, and a form's token, which Rails and Django ask for."""

    def __init__(self, port, cookies=None):
        self.port, self.cookies = port, cookies or {}

    def request(self, method, path, headers=None, body=None):
        """The answer, whose body is still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, {**({"Cookie": cookies} if cookies else {}), **(headers or {})})
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies.update({name: cookie.value for name, cookie in SimpleCookie(line).items()})
        return answer

    def log_in(self, user):
        form = urllib.parse.urlencode({"user": user, "password": "secret"})
        status = self.request("POST", "/login", {"Content-Type": "application/x-www-form-urlencoded"}, form).status
        assert status < 400, f"logging in: {status}"

    def ask_for_ticket(self):
        """As the page of the document does: the status, and the body."""
        token = self.request("GET", "/csrf").read().decode()
        answer = self.request("POST", "/live/ticket", {"Accept": "application/json", "X-CSRF-Token": token, "X-CSRFToken": token})
        return answer.status, answer.read().decode(errors="replace")


def blocks(stream):
    """The blocks of a stream that have data, as name and data."""
    fields = {}
    for line in stream:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif fields:
            if "data" in fields:
                yield fields.get("event", "message"), fields["data"]
            fields = {}


def hears_its_own(visitor, redis, path, channel):
    """The stream is of this channel alone, and hears of its events."""
    stream = visitor.request("GET", path, {"Accept": "text/event-stream"})
    assert stream.status == 200, f"the stream: {stream.status} {stream.read()[:300]}"
    heard = blocks(stream)
    name, data = next(heard, ("its end", ""))
    assert name == "$ready" and json.loads(data)["channels"] == [channel], f"the stream begins with {name} {data}"
    redis.publish(channel, "for you")
    told = next(heard, ("its end", ""))
    assert told == ("message", "for you"), f"the stream tells of {told}"


def try_ticket(visitor, node, redis, user):
    status, said = visitor.ask_for_ticket()
    assert status == 401, f"a ticket without login: {status} {said[:300]}"
    visitor.log_in(user)
    status, said = visitor.ask_for_ticket()
    assert status == 201, f"a ticket: {status} {said[:300]}"
    hears_its_own(Visitor(node.port), redis, json.loads(said)["url"], f"user:{user}")


def try_decisions(visitor, node, redis, user):
    """The node asks the application about each of these, with the cookie of whoever is logged in."""
    mine, other = f"user:{user}", "user:1"
    nobody, somebody = Visitor(node.port, dict.fromkeys(visitor.cookies, "of-nobody")), Visitor(node.port, visitor.cookies)
    hears_its_own(somebody, redis, f"/events?channel={mine}", mine)
    for wanted, who, method, path in [
        (403, somebody, "GET", f"/events?channel={other}"),
        (403, somebody, "GET", f"/events?channel={mine}&channel={other}"),
        (403, somebody, "GET", "/events"),
        (200, somebody, "GET", f"/channels/{mine}/history"),
        (403, somebody, "GET", f"/channels/{other}/history"),
        (403, somebody, "POST", f"/channels/{mine}/events"),
        (401, nobody, "GET", f"/events?channel={mine}"),
    ]:
        status = who.request(method, path, body="text" if method == "POST" else None).status
        assert status == wanted, f"{method} {path}: {status} in place of {wanted}"
    # The node would let nobody in for a plain yes to these; the application says no by itself.
    for order in {"right": "publish", "channels": [mine]}, {"right": "subscribe", "channels": []}:
        status = visitor.request("POST", "/fanfare/authorize", {"Content-Type": "application/json"}, json.dumps(order)).status
        assert status == 403, f"the application answers {order} with {status}"


def try_trouble(visitor, node):
    """None of it is a word about who is logged in, which would stop the page for good; and the application goes on."""
    for what, key, wanted in [("that is away", None, {500, 503}), ("that refuses", OTHER_KEY, {503}), ("that is back", KEY, {201})]:
        node.processes.end(node.process)
        if key:
            node.options[0] = f"publish.key={key}"
            node.start()
        status, said = visitor.ask_for_ticket()
        assert status in wanted, f"a ticket of a node {what}: {status} {said[:300]}"


def run(name, user, folder, processes, binary, redis):
    recipe, port = RECIPES[name], ports.take()
    options = [f"publish.key={KEY}", "server.cores=1", "auth.enabled=true", "auth.tickets=true"]
    if recipe.decides:
        options += [f"forward_auth.url=http://127.0.0.1:{port}/fanfare/authorize", "history.enabled=true", "publish.tokens=true"]
    node = Node(processes, binary, f"node-{name}", redis.port, options, defaults=True)
    written = processes.scratch / name
    write_application(APPLICATIONS / recipe.folder, written, node)
    env = {**building.ENV, **recipe.env, "FANFARE_KEY": KEY, "PORT": str(port), "INSTALLED": str(folder / recipe.folder)}
    application = processes.start(name, ["bash", "-c", recipe.run], env=env, cwd=written)
    visitor = Visitor(port)
    await_that(f"the application {name} answers", lambda: visitor.request("GET", "/csrf").status == 200, application)
    try:
        try_ticket(visitor, node, redis, user)
        if recipe.decides:
            try_decisions(visitor, node, redis, user)
        try_trouble(visitor, node)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}; the application's last words:\n{last_words(application)}") from error


def attempt(*given):
    """What is wrong, in words, or `None`; and how many seconds it took."""
    began, fault = time.monotonic(), None
    try:
        run(*given)
    except (AssertionError, OSError) as error:
        fault = str(error)
    return fault, time.monotonic() - began


def install(names, folder):
    """Those whose framework is here then, and why the others are not."""
    here, missing = [], {}
    for name in names:
        recipe = RECIPES[name]
        if not building.are_here(recipe.needs, APPLICATIONS):
            missing[name] = "its framework is missing"
            continue
        try:
            building.build(APPLICATIONS / recipe.folder, folder / recipe.folder, recipe.installs)
            here.append(name)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            # A registry that is away is no fault of the recipe.
            missing[name] = f"it could not be installed: {error}"
    return here, missing


def main():
    binary, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve() / "recipes"
    chosen = [word.removeprefix("recipes/") for word in sys.argv[3:] if word != "recipes"] or list(RECIPES)
    if unknown := set(chosen).difference(RECIPES):
        sys.exit(f"recipes: there is none for {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    folder.mkdir(parents=True, exist_ok=True)
    here, missing = install(chosen, folder)
    faults = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        processes = Processes(scratch)
        try:
            redis = Redis(processes)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                # Each has a user of its own, and so a channel of its own.
                tried = pool.map(lambda name: attempt(name, 7 + here.index(name), folder, processes, binary, redis), here)
                for name, (fault, seconds) in zip(here, tried):
                    faults += bool(fault)
                    print(f"recipes/{name}: {f'FAULT {fault}' if fault else 'ok'}, {seconds:.0f} s", flush=True)
        finally:
            processes.end_all()
    for name, why in missing.items():
        print(f"SKIPPED recipes/{name}: {why}")
    print(f"recipes: {len(here)} frameworks, {faults} faults")
    # A run that has tried nothing has found nothing.
    return 1 if faults or not here else 0


if __name__ == "__main__":
    sys.exit(main())
