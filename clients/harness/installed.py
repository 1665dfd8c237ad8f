"""The clients that can be run here: what scripts/clients.sh has installed, and what the machine has."""

import pathlib
import re
import shutil

from . import browser

HERE = pathlib.Path(__file__).resolve().parent.parent


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
    shared = {"report", "parsed"}
    files = sorted((folder / "javascript").glob("*.mjs"))
    return {f"npm/{file.stem}": ["node", str(file)] for file in files if file.stem not in shared}


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
