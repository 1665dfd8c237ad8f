#!/usr/bin/env python3
"""Runs every sample of README.md, CONTRIBUTING.md, docs/*.md and the READMEs below examples/, deploy/, loadtest/ and crates/fuzz/ against the real binary, so
that no document tells of a command that fails or a page that is refused.

Shell: each command by itself, in a folder like the clone, the node with its defaults on a free port, unless the block starts one with `fanfare serve`,
with the document's last sample of a configuration where that says `--config fanfare.toml`. A block with `<!-- node: as configured above -->` in front
has a node with that configuration, one with `<!-- node: with and without TLS -->` a node for both. Addresses, certificates and keys are those of this run (samples/configuration.py).
A `curl -N` must begin a stream (or get the status that the comment behind it names, `# 429`), and `# {…}` below a command is
what it must print, where `…` is any text. `make loadtest` runs in small; other targets of `make` and packages of `cargo` must be there with
their settings: what they do is what CI does. `fanload` runs with few clients and events. JSON is parsed, pages and JavaScript run in Chromium, a scenario for k6 in k6, the recipe for nginx in nginx, an overlay in kustomize, a drop-in in
systemd-analyze, what `docker run` would start is started with that environment, TOML is a configuration file that a node accepts.

What cannot be run has the reason in front: `<!-- not run: … -->`, and what that names has to exist (samples/marks.py). What is a file of the repository,
where it is run, has its path in front, `<!-- from: examples/… -->`, and must be what that file says. A sample that is none of these is a failure.

Usage: check-samples.py FANFARE_BINARY [docs/tls.md]...
"""

import concurrent.futures
import json
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile

from samples import COMMAND_SECONDS, ROOT, Missing, marks
from samples.loadtest import check_scenario
from samples.nginx import check_nginx
from samples.pages import check_page, check_script
from samples.shell import Shell
from samples.world import World
from harness.servers import PATH

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("**/README.md")),
             ROOT / "deploy/README.md", ROOT / "loadtest/README.md", ROOT / "crates/fuzz/README.md"]
FENCE = re.compile(r"^(?:(?P<reason><!-- not run: [^\n]+ -->)\n+|<!-- node: (?P<node>as configured above|with and without TLS) -->\n+|<!-- from: (?P<file>\S+) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Figures, with the command that has measured them: written by that command.
GENERATED = re.compile(r"<!-- (\S+):begin -->.*?<!-- \1:end -->", re.DOTALL)
# Where a document has its reader serve its page, and how the node is told of that origin.
PAGE_ORIGIN = re.compile(r"^\S*fanfare serve --cors-origins (\S+):3000$", re.MULTILINE)


# They mostly wait.
WORKERS = 3


class NotRun(Exception):
    """The sample has a mark that is in order."""


class Sample:
    def __init__(self, path, match, text):
        self.path, self.where = path, f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start('language')) + 1}"
        self.language, self.text, self.reason, self.file = match["language"], match["text"], match["reason"], match["file"]
        self.node = match["node"]
        origin = PAGE_ORIGIN.search(text)
        # Without the port, at which this run serves nothing.
        self.origin = origin and origin[1]
        self.is_served = "-m http.server 3000" in text


def samples_of(path):
    text = path.read_text()
    generated = [found.span() for found in GENERATED.finditer(text)]
    for match in FENCE.finditer(text):
        if not any(begin < match.start() < end for begin, end in generated):
            yield Sample(path, match, text)


def check_configuration(world, sample):
    """A node would start with it, as far as that can be said without the files that it names. Certificates are read: here, others than those."""
    file = world.scratch / "sample.toml"
    file.write_text(world.certificates.stand_in(sample.text))
    done = subprocess.run([world.binary, "config", "check", "--config", file], capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, f"{sample.text}\n{done.stdout}{done.stderr}"
    world.configure(sample.text)


def check_javascript(world, sample):
    if "./lib/run.js" in sample.text:
        return check_scenario(world, sample)
    if not shutil.which("chromium", path=PATH):
        raise Missing("chromium is missing")
    return check_script(world, sample)


def check_overlay(world, sample):
    """kustomize makes objects of it beside a clone called `fanfare`, among them what it changes."""
    if not shutil.which("kubectl"):
        raise Missing("kubectl is missing")
    assert "kind: Kustomization" in sample.text, "nothing here runs other YAML; mark it with <!-- not run: why -->"
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / "deploy", pathlib.Path(scratch) / "fanfare/deploy")
        overlay = pathlib.Path(scratch) / "overlay/kustomization.yaml"
        overlay.parent.mkdir()
        overlay.write_text(sample.text)
        done = subprocess.run(["kubectl", "kustomize", overlay.parent], capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, done.stderr
    for host in re.findall(r"dnsNames: \[(.+)\]", sample.text):
        assert host in done.stdout, f"{host} is in none of the objects"


def check_unit(world, sample):
    """systemd understands it as a drop-in of the node's unit. What it says of the unit itself, whose program is not installed here, is not meant."""
    if not shutil.which("systemd-analyze"):
        raise Missing("systemd-analyze is missing")
    with tempfile.TemporaryDirectory() as folder:
        unit, drop_in = pathlib.Path(folder) / "fanfare.service", pathlib.Path(folder) / "fanfare.service.d/sample.conf"
        shutil.copy(ROOT / "deploy/systemd/fanfare.service", unit)
        drop_in.parent.mkdir()
        drop_in.write_text(sample.text)
        command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit]
        said = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS).stderr
    faults = [line for line in said.splitlines() if drop_in.name in line]
    assert not faults, "\n".join(faults)


def check_file(sample):
    """It is what the file says that is run elsewhere."""
    assert sample.text == (ROOT / sample.file).read_text(), f"{sample.file} says otherwise"


NEEDS = {"html": "chromium", "nginx": "nginx"}
CHECKS = {
    "sh": lambda world, sample: Shell(world).run(sample),
    "json": lambda world, sample: json.loads(sample.text),
    "html": check_page,
    "js": check_javascript,
    "nginx": check_nginx,
    "toml": check_configuration,
    "ini": check_unit,
    "yaml": check_overlay,
    # Pictures and bytes.
    "http": lambda world, sample: None,
    "text": lambda world, sample: None,
    "": lambda world, sample: None,
}


def run(world, sample):
    """Fails with what is wrong."""
    program = NEEDS.get(sample.language)
    if sample.reason:
        marks.check(sample)
        raise NotRun
    if sample.file:
        return check_file(sample)
    if program and not shutil.which(program, path=PATH):
        raise Missing(f"{program} is missing")
    assert sample.language in CHECKS, f"nothing here runs {sample.language}; mark it with <!-- not run: why -->"
    world.reset()
    if sample.language == "html":
        world.page = sample.text
    CHECKS[sample.language](world, sample)


def check(world, sample):
    try:
        run(world, sample)
    except NotRun:
        return "skipped"
    except Missing as missing:
        print(f"SKIPPED {sample.where}: {missing}")
        return "skipped"
    except Exception as error:  # noqa: BLE001 - whatever it was is the verdict
        print(f"FAILED {sample.where}: {type(error).__name__}: {error}")
        return "failed"
    return "passed"


def check_documents(binary, documents, tally):
    """Takes documents until there are none, each in a world that they share."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        world = World(binary, scratch)
        try:
            while True:
                try:
                    document = documents.get_nowait()
                except queue.Empty:
                    return
                world.begin_document()
                for sample in samples_of(document):
                    tally.append(check(world, sample))
        finally:
            world.processes.end_all()


def main(binary, names):
    documents, tally = queue.SimpleQueue(), []
    # Those with the most samples first, so that nobody is left with a long one at the end.
    for document in sorted([ROOT / name for name in names] or DOCUMENTS, key=lambda document: -len(list(samples_of(document)))):
        documents.put(document)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
        for worker in [workers.submit(check_documents, binary, documents, tally) for _ in range(WORKERS)]:
            worker.result()
    passed, failed, skipped = (tally.count(verdict) for verdict in ("passed", "failed", "skipped"))
    print(f"samples: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
