"""The clients that can be run here: what scripts/clients.sh has installed, and what the machine has."""

import pathlib
import re
import shutil
import subprocess

from . import browser

HERE = pathlib.Path(__file__).resolve().parent.parent
# What speaks HTTP/2 where a node offers it. Of Node.js's clients those do that are told to (`allowH2`), of Python's httpx.
HTTP2 = {"npm/undici", "npm/undici-7", "npm/eventsource-parser", "npm/eventsource-parser-until-end", "pypi/httpx-sse"}
# What is built on version 7 of undici, over HTTP/2 or always: Node.js 18 cannot load it.
UNDICI_7 = {"npm/undici-7"}
UNDICI_7_OVER_HTTP2 = {"npm/eventsource-parser", "npm/eventsource-parser-until-end"}


def can_speak(client, transport):
    """Whether a client can be tried over TLS, and over HTTP/2."""
    group, _, name = client.partition("/")
    if group == "browser":
        return browser.takes_authority(name.removesuffix("-anew"))
    if client in UNDICI_7_OVER_HTTP2 and transport == "h2" and not has_node_20():
        return False
    return transport == "tls" or group in ("go", "maven", "curl") or client in HTTP2


def clients_in(folder):
    """The command of each client, none for a browser; and a sentence for each group that cannot be run."""
    clients, skipped = {}, []
    for group in (npm(folder), pypi(folder), go(folder), maven(folder), curl(), *map(in_browser, browser.BROWSERS)):
        if isinstance(group, str):
            skipped.append(group)
        else:
            clients.update(group)
    return clients, skipped


def npm(folder):
    if not (folder / "javascript" / "node_modules").is_dir():
        return "npm clients: Node.js or npm is missing, or they could not be installed"
    shared = {"report", "parsed", "http2"}
    files = sorted((folder / "javascript").glob("*.mjs"))
    clients = {f"npm/{file.stem}": ["node", str(file)] for file in files if file.stem not in shared}
    return {name: command for name, command in clients.items() if name not in UNDICI_7 or has_node_20()}


def has_node_20():
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return tuple(map(int, re.findall(r"\d+", version))) >= (20, 18, 1)


def pypi(folder):
    python = folder / "python" / "bin" / "python"
    if not python.exists():
        return "PyPI clients: Python's venv is missing, or they could not be installed"
    files = sorted((HERE / "python").glob("with_*.py"))
    return {f"pypi/{file.stem.removeprefix('with_').replace('_', '-')}": [str(python), str(file)] for file in files}


def go(folder):
    if not (folder / "go").is_dir():
        return "Go clients: Go is missing or too old, or they could not be installed"
    return {f"go/{file.name}": [str(file)] for file in sorted((folder / "go").iterdir()) if not file.name.startswith(".")}


def maven(folder):
    if not (folder / "java" / "classes").is_dir():
        return "Java clients: a JDK or Maven is missing, or they could not be installed"
    java = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder / 'java' / 'classes'}:{folder / 'java' / 'lib'}/*"]
    names = [file.stem for file in sorted((HERE / "java").glob("*.java")) if file.stem != "Report"]
    return {f"maven/{re.sub('(?<=.)(?=[A-Z])', '-', name).lower()}": [*java, name] for name in names}


def curl():
    if not shutil.which("curl"):
        return "curl: it is missing"
    return {f"curl/{name}": ["bash", str(HERE / "curl" / f"{name}.sh")] for name in ("loop", "until-end")}


def in_browser(name):
    if not browser.program(name):
        return f"the browser {name}: it is missing"
    return {f"browser/{name}": None, f"browser/{name}-anew": None}
