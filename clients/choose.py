#!/usr/bin/env python3
"""Sorts the names that scripts/clients.sh is given by what tries them, and refuses a name that nothing has.

Prints a line for each name, the group first: `auth auth/late`, `examples examples/feed`, `clients npm/undici`; a group as a whole has its own
name in place of a case. Without names it prints every group.

Usage: choose.py [NAME…]
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import publish  # noqa: E402
import recipes  # noqa: E402
import screenshots  # noqa: E402
from harness import auth_cases, example_cases, report  # noqa: E402

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "clients.md"
CLIENTS = "clients"


def groups():
    """By group: the names of its cases."""
    return {
        "examples": [f"examples/{case.__name__.replace('_', '-')}" for case in example_cases.CASES],
        "screenshots": [f"screenshots/{name}" for name in screenshots.names()],
        "publish": [f"publish/{language}" for language in publish.LANGUAGES],
        "recipes": [f"recipes/{name}" for name in recipes.RECIPES],
        "auth": [f"auth/{case.name}" for case in auth_cases.CASES],
        "tickets": [],
        "tabs": [],
        CLIENTS: list(report.documented(DOCUMENT, "plain")),
    }


def main():
    known = groups()
    of = {name: group for group, names in known.items() for name in [group, *names]}
    wanted = sys.argv[1:] or list(known)
    if unknown := [name for name in wanted if name not in of]:
        there = "\n".join(f"  {group:12} {' '.join(names)}".rstrip() for group, names in known.items())
        sys.exit(f"clients: nothing is called {', '.join(unknown)}; there are\n{there}")
    for name in wanted:
        print(of[name], name)


if __name__ == "__main__":
    main()
