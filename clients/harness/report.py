"""What docs/clients.md says of each client, and whether it is so."""

import re

ROW = re.compile(r"^\| `(?P<client>[^`]+)`[^|]*\|(?P<fails>[^|]*)\|(?P<abort>[^|]*)\|(?P<cure>[^|]*)\|", re.MULTILINE)
OVER_TLS = "Over TLS and HTTP/2"
ROW_OVER_TLS = re.compile(r"^\| `(?P<client>[^`]+)`[^|]*\|(?P<tls>[^|]*)\|(?P<h2>[^|]*)\|", re.MULTILINE)
# Each client is tried with the defaults and with this, which is for clients that take a clean end for the end.
ABORT = "close=abort"
QUERIES = {"": set(), ABORT: set()}


def documented(path, transport):
    """By client: each query that it is tried with, and the cuts at which it fails with that, over that transport."""
    names = lambda cell: set(re.findall(r"`([^`]+)`", cell))  # noqa: E731
    everywhere, found, over_tls = path.read_text().partition(f"\n## {OVER_TLS}\n")
    assert found, f"{path} has no chapter {OVER_TLS!r}"
    rows = {}
    for row in ROW.finditer(everywhere):
        cure = "&".join(re.findall(r"`([a-z]+=[a-z0-9]+)`", row["cure"]))
        # What is set mends everything, unless it is the query of a column.
        rows[row["client"]] = {cure: set(), "": names(row["fails"]), ABORT: names(row["abort"])}
    if transport == "plain":
        return rows
    # What is named there comes on top, whatever a client asks for.
    more = {row["client"]: names(row[transport]) for row in ROW_OVER_TLS.finditer(over_tls)}
    return {client: {query: named | more.get(client, set()) for query, named in queries.items()} for client, queries in rows.items()}


def title(run):
    """A run in words: what is tried in clear text is called by its client alone."""
    return " ".join(word for word in run if word not in ("", "plain"))


def matches(cut, named):
    """Whether a document names this cut: `in-data` names both ends, `clean` that end at every place, `in-data/clean` one."""
    return cut in named or not named.isdisjoint(cut.split("/"))


def undocumented(outcomes, named):
    return {cut: outcome for cut, outcome in outcomes.items() if outcome and not matches(cut, named)}


def seen(probes, quiet):
    """What was seen beside losses, in words."""
    words = {True: "keeps an id without data", False: "ignores an id without data", None: "does not come back after a break"}
    found = [words[probe.kept] for probe in probes]
    if quiet and len(quiet.proxy.connections) > 1:
        found.append(f"{len(quiet.proxy.connections)} connections in 12 quiet seconds")
    return ", ".join(found)


def print_table(results):
    """One line for each client and query, with what went wrong."""
    width = max(map(len, map(title, results)), default=0)
    for run, (outcomes, words) in results.items():
        failed = {cut: outcome for cut, outcome in outcomes.items() if outcome}
        line = f"{title(run):{width}}  {len(outcomes) - len(failed):2} of {len(outcomes)} cuts without a loss"
        print(f"{line}; {words}" if words else line)
        for cut, outcome in failed.items():
            print(f"{'':{width}}    {cut}: {outcome}")
