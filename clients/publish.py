#!/usr/bin/env python3
"""Runs the publishers of examples/publish, each with its language's Redis client, and looks at what a node delivers.

Each is copied below target/clients/publish and built there, once for the same files; versions and hashes are pinned. A language whose
toolchain is missing is named and left out; where all are, that is a failure. Each program has at most CODE_LINES_MAX lines of code, whether its
toolchain is here or not.

Usage: publish.py FANFARE_BINARY FOLDER [publish | publish/LANGUAGE]…    FOLDER: where they are built, below `publish`
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import building  # noqa: E402
from harness.servers import PATIENCE, Node, Processes, Redis  # noqa: E402

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "examples" / "publish"
# Two lines, and characters of more than one byte.
DATA = '{"text":"héllo ✓"}\nsecond line'

# Lines of code, as examples/publish/README.md counts them: without blank ones, comments, what the program imports or is a part of, and those that
# only close brackets.
CODE_LINES_MAX = 10
NO_CODE = re.compile(r"\s*($|//|#|<\?php|import\b|using [\w.]+;|use\b|require\b|package\b|[)}\]]+;?\s*$)")
SUFFIXES = {".sh", ".py", ".mjs", ".go", ".rb", ".php", ".java", ".rs", ".cs"}
# Go's list of what it imports.
IMPORTS = re.compile(r"^import \([^)]*\)$", re.MULTILINE)

# By language: what has to succeed for it to be here, what builds it, and what runs it.
LANGUAGES = {
    "shell": (["redis-cli --version"], [], "sh publish.sh"),
    "python": (["python3 -c 'import venv, ensurepip'"],
               ["python3 -m venv venv", "venv/bin/pip install --quiet --require-hashes -r requirements.txt"], "venv/bin/python publish.py"),
    "node": (["node --version", "npm --version"], ["npm ci --silent --no-audit --no-fund --ignore-scripts"], "node publish.mjs"),
    "go": (["go version"], ["go build -o publish ."], "./publish"),
    "ruby": (["ruby -e 'require \"redis\"'"], [], "ruby publish.rb"),
    "php": (["php -r 'exit(extension_loaded(\"redis\") ? 0 : 1);'"], [], "php publish.php"),
    "java": (["java -version", "mvn --version"],
             ["mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=lib", "cd lib && sha256sum --quiet --strict --check ../jars.sha256"],
             "java -cp 'lib/*' Publish.java"),
    "rust": (["cargo --version"], ["cargo build --quiet --locked"], "target/debug/publish"),
    "csharp": (["dotnet --version"], ["dotnet build --nologo --verbosity quiet --output built"], "dotnet built/publish.dll"),
}


def delivered(node, channel):
    """The first block of a stream that has data which is not the gateway's, as a dictionary of its fields."""
    url = f"http://127.0.0.1:{node.port}/events?channel={urllib.parse.quote(channel)}&last=10&ready=0"
    with urllib.request.urlopen(url, timeout=PATIENCE) as stream:
        fields = {}
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(":")
            if name:
                fields.setdefault(name, []).append(value.removeprefix(" "))
            elif "data" in fields:
                return {name: "\n".join(values) for name, values in fields.items()}
            else:
                fields = {}
    raise AssertionError("the stream has ended")


def lines_of_code(language):
    """How many the language's program has."""
    program = next(path for path in sorted((SOURCES / language).rglob("*")) if path.stem.lower() in ("publish", "main") and path.suffix in SUFFIXES)
    return sum(not NO_CODE.match(line) for line in IMPORTS.sub("", program.read_text()).splitlines())


def attempt(language, folder, redis, node):
    """What is wrong, in words; `None` if nothing is."""
    try:
        built, (_, builds, run) = folder / language, LANGUAGES[language]
        building.build(SOURCES / language, built, builds)
        channel = f"publish-{language}"
        env = {**building.ENV, "REDIS_URL": f"redis://127.0.0.1:{redis.port}"}
        said = building.shell(run, built, env=env, words=[channel, DATA]).strip()
        event = delivered(node, channel)
        wanted = {"event": "created", "data": DATA, "id": said}
        assert event == wanted, f"it says {said!r}, and the node delivers {event}"
        # What Redis refuses is no success. A name that begins with `$` is the gateway's.
        try:
            said = building.shell(run, built, env=env, words=["$refused", DATA])
        except AssertionError:
            return None
        return f"Redis has refused, and it exits with 0: {said!r}"
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def main():
    binary, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve() / "publish"
    chosen = [word.removeprefix("publish/") for word in sys.argv[3:] if word != "publish"] or LANGUAGES
    if unknown := set(chosen).difference(LANGUAGES):
        sys.exit(f"publish: no language is called {', '.join(unknown)}; there are {', '.join(LANGUAGES)}")
    here = [language for language in chosen if building.are_here(LANGUAGES[language][0], SOURCES)]
    counts = {language: lines_of_code(language) for language in chosen}
    faults = sum(count > CODE_LINES_MAX for count in counts.values())
    print("lines of code:", ", ".join(f"{language} {count}" for language, count in counts.items()))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        processes = Processes(scratch)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            redis = Redis(processes)
            node = Node(processes, binary, "node", redis.port)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                for language, fault in zip(here, pool.map(lambda language: attempt(language, folder, redis, node), here)):
                    faults += bool(fault)
                    print(f"publish/{language}: {f'FAULT {fault}' if fault else 'ok'}", flush=True)
        finally:
            processes.end_all()
    for language in chosen:
        if language not in here:
            print(f"SKIPPED publish/{language}: its toolchain or client is missing")
    print(f"publish: {len(here)} languages, {faults} faults")
    # A run that has tried nothing has found nothing.
    return 1 if faults or not here else 0


if __name__ == "__main__":
    sys.exit(main())
