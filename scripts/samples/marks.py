"""Samples that are not run. What the mark `<!-- not run: … -->` names has to be there: files, with the test in them (`crates/e2e/tests/tls.rs::name`),
targets of make, and clients of `make test-clients`. And the sample has to be well formed, as far as a program is here that can tell."""

import re
import shlex
import subprocess

import choose

from . import ROOT

FILE = re.compile(r"\b((?:crates|clients|scripts|loadtest|examples|deploy|xtask)/[\w./-]*\w)(?:::(\w+))?")
TARGET = re.compile(r"\bmake ([a-z][a-z0-9-]*)")
CLIENTS = re.compile(r"CLIENTS=([\w/-]+)|`((?:browser|npm|pypi|go|java|auth|examples|recipes)/[\w/-]+)`")
# Of a program's files: where one of its tests stands.
TEST = r"^\s*(?:async )?(?:fn|def) {}\("
SECONDS = 30


def targets():
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def check_settings(command):
    """A line of make names targets that are there, with settings that the Makefile reads."""
    words = shlex.split(command)
    start = words.index("make")
    # Settings and redirections are no targets.
    names = {word for word in words[start + 1:] if not re.search(r"[=>]", word)} or {"help"}
    assert names <= targets(), f"the Makefile has no target {', '.join(sorted(names - targets()))}"
    settings = {word.partition("=")[0] for word in (*words[:start], *words[start + 1:]) if "=" in word}
    read = set(re.findall(r"\$[({]{1,2}([A-Z_0-9]+)", (ROOT / "Makefile").read_text()))
    assert settings <= read, f"the Makefile reads no {', '.join(sorted(settings - read))}"


def check_mark(reason):
    """Fails with the first thing that is named and is not there."""
    for path, test in FILE.findall(CLIENTS.sub("", reason)):
        file = ROOT / path
        assert file.exists(), f"the mark names {path}, which is not there"
        assert test or not path.endswith(".rs"), f"the mark names {path} and no test of it: {path}::which?"
        assert not test or re.search(TEST.format(test), file.read_text(), re.MULTILINE), f"{path} has no test {test}"
    unknown = set(TARGET.findall(reason)) - targets()
    assert not unknown, f"the mark names targets that the Makefile has not: {', '.join(sorted(unknown))}"
    known = choose.groups()
    known = {*known, *(name for names in known.values() for name in names)}
    unknown = {one or other for one, other in CLIENTS.findall(reason)} - known
    assert not unknown, f"the mark names what `make test-clients` has not: {', '.join(sorted(unknown))}"


def check_shell(text):
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    for command in re.findall(r"^(?:[A-Z][A-Z0-9_]*=\S+ )*make(?: .+)?$", text, re.MULTILINE):
        check_settings(command.partition(" # ")[0])


def check_yaml(text):
    try:
        import yaml  # noqa: PLC0415
    except ImportError:
        return
    assert all(isinstance(document, dict) for document in yaml.safe_load_all(text)), "no YAML of objects"


WELL_FORMED = {"sh": check_shell, "yaml": check_yaml, "python": lambda text: compile(text, "sample", "exec")}


def check(sample):
    check_mark(sample.reason)
    WELL_FORMED.get(sample.language, lambda text: None)(sample.text)
