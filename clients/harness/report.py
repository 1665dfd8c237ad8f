"""What docs/clients.md says of each client, and whether it is so."""

import re

ROW = re.compile(r"^\| `(?P<client>[^`]+)`[^|]*\|(?P<fails>[^|]*)\|(?P<abort>[^|]*)\|(?P<cure>[^|]*)\|", re.MULTILINE)
# Each client is tried with the defaults and with this, which is for clients that take a clean end for the end.
ABORT = "close=abort"
QUERIES = {"": set(), ABORT: set()}


def documented(path):
    """By client: each query that it is tried with, and the cuts at which it fails with that."""
    names = lambda cell: set(re.findall(r"`([^`]+)`", cell))  # noqa: E731
    rows = {}
    for row in ROW.finditer(path.read_text()):
        cure = "&".join(re.findall(r"`([a-z]+=[a-z0-9]+)`", row["cure"]))
        # What is set mends everything, unless it is the query of a column.
        rows[row["client"]] = {cure: set(), "": names(row["fails"]), ABORT: names(row["abort"])}
    return rows


def matches(cut, named):
    """Whether a document names this cut: `in-data` names both ends, `clean` that end at every place, `in-data/clean` one."""
    return cut in named or not named.isdisjoint(cut.split("/"))


def undocumented(outcomes, named):
    return {cut: outcome for cut, outcome in outcomes.items() if outcome and not matches(cut, named)}


def seen(kept, quiet):
    """What was seen beside losses, in words."""
    words = {True: "keeps an id without data", False: "ignores an id without data", None: "does not come back after a break"}[kept]
    if quiet and len(quiet.proxy.connections) > 1:
        words += f", {len(quiet.proxy.connections)} connections in 12 quiet seconds"
    return words


def print_table(results):
    """One line for each client and query, with what went wrong."""
    width = max((len(f"{client} {query}") for client, query in results), default=0)
    for (client, query), (outcomes, words) in results.items():
        failed = {cut: outcome for cut, outcome in outcomes.items() if outcome}
        print(f"{f'{client} {query}':{width}}  {len(outcomes) - len(failed):2} of {len(outcomes)} cuts without a loss; {words}")
        for cut, outcome in failed.items():
            print(f"{'':{width}}    {cut}: {outcome}")
