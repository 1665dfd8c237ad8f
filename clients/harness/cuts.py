"""The ways in which a stream is broken, and what each asks of a client: every event once and in order."""

import re
import threading
import time

from .proxy import Proxy, Step

EVENTS = 8
# From the cut to a stream that goes on: a polite refusal says up to 15 s, and some clients double what they are told.
RETURN = 45


def text_of(number):
    """Two lines, so that a cut between them can be told, and a letter that a wrong character set would change."""
    return f"{number}\nü{number}"


# The name, and the pattern behind whose first match the connection ends. Event 3 is the one that is cut.
THIRD = "data: 3\ndata: ü3\n".encode()
PLACES = {
    "after-head": re.compile(rb""),
    "in-priming-id": re.compile(rb"\nid: [^\n]{4}"),
    "in-ready": re.compile(rb"event: \$ready\ndata: \{"),
    "before-first": re.compile(rb"event: \$ready\ndata: [^\n]*\nid: [^\n]+\n\n"),
    "in-data": re.compile(rb"data: 3\n"),
    "before-id": re.compile(THIRD),
    "in-id": re.compile(THIRD + rb"id: \d{4}"),
    "before-empty-line": re.compile(THIRD + rb"id: \d+-\d+\n"),
    "between": re.compile(THIRD + rb"id: \d+-\d+\n\n"),
}
# Until `$ready` has come whole a client has no place, and nothing is promised yet: events come when it is back.
UNPLACED = {"after-head", "in-priming-id", "in-ready"}
OTHERS = ["away", "drain", "refused-at-first", "refused-on-return", "restart", "quiet"]
# Nobody listens for so many seconds: longer than the delay that a node tells, so that some attempt fails.
AWAY = 5
NAMES = [f"{place}/{end}" for place in PLACES for end in ("broken", "clean")] + OTHERS
# Waits for a reader's time limit, which the readers of this harness do not have.
NOT_FOR_REFERENCE = {"quiet"}


class Case(threading.Thread):
    """One cut of one client: a channel and a proxy of its own. `told` is what the client said of it."""

    # What another transport has of its own.
    unplaced, step, proxy_kind, scheme, behind_third = UNPLACED, Step, Proxy, "http", PLACES["between"]

    def __init__(self, name, channel, redis, nodes):
        super().__init__(daemon=True)
        self.name_of_cut, self.channel, self.redis, self.nodes = name, channel, redis, nodes
        self.told, self.changed = [], threading.Condition()
        self.proxy = self.proxy_kind(self.steps())
        # Half of the channels have a stream before anybody comes, and half have none.
        if name.endswith(("/clean", "/reset")):
            redis.publish(channel, "before anybody came")

    def steps(self):
        step, nodes, between = self.step, self.nodes, self.behind_third
        steady = step(nodes["steady"])
        special = {
            "away": [step(nodes["steady"], between, away=AWAY), steady],
            "drain": [step(nodes["drained"]), steady],
            "restart": [step(nodes["restarted"])],
            "refused-at-first": [self.refusing(), steady],
            "refused-on-return": [step(nodes["steady"], between), self.refusing(), steady],
            "quiet": [steady],
        }
        return special.get(self.name_of_cut) or self.placed(*self.name_of_cut.split("/"))

    def refusing(self):
        return Step(self.nodes["refusing"])

    def placed(self, place, end):
        """The steps of a cut at a place."""
        return [Step(self.nodes["steady"], PLACES[place], end == "clean"), Step(self.nodes["steady"])]

    def url(self, query):
        return f"{self.scheme}://127.0.0.1:{self.proxy.port}/events?channel={self.channel}" + (f"&{query}" if query else "")

    def text(self, number):
        return text_of(number)

    def tell(self, event, data):
        with self.changed:
            self.told.append((event, data))
            self.changed.notify_all()

    def publish(self, *numbers):
        for number in numbers:
            self.redis.publish(self.channel, self.text(number))
            # Each by itself, so that each is a write of its own.
            time.sleep(0.05)

    def await_start(self):
        """Until its client has a place."""
        self.proxy.await_primed(0, RETURN)

    def await_first_return(self):
        """Until a client that had no place yet is back and has one."""
        self.proxy.await_primed(1, RETURN)

    def await_return(self):
        """Until a client that has a place is back."""
        self.proxy.await_primed(2 if self.name_of_cut == "refused-on-return" else 1, RETURN)

    def publish_up_to_cut(self):
        self.publish(1, 2, 3)

    def run(self):
        name, place = self.name_of_cut, self.name_of_cut.split("/")[0]
        if place in self.unplaced or name == "refused-at-first":
            self.await_first_return()
            self.publish(*range(1, EVENTS + 1))
        elif name == "quiet":
            self.await_start()
            # Longer than the read timeouts of common HTTP clients, shorter than the heartbeat.
            time.sleep(12)
            self.publish(*range(1, EVENTS + 1))
        else:
            self.await_start()
            if place != "before-first":
                self.publish_up_to_cut()
            self.cut()
            self.publish(4, 5, 6) if place != "before-first" else self.publish(*range(1, 7))
            self.await_return()
            self.publish(7, 8)
        with self.changed:
            self.changed.wait_for(lambda: any(data == self.text(EVENTS) for _, data in self.told), 10)
        # What comes twice comes at once.
        time.sleep(0.2)

    def cut(self):
        first = self.proxy.connection(0, RETURN)
        if self.name_of_cut == "drain":
            self.nodes["drained"].drain()
        elif self.name_of_cut == "restart":
            self.nodes["restarted"].restart()
        if first:
            first.ended.wait(RETURN)

    def outcome(self):
        """What went wrong, in words; empty if nothing did."""
        with self.changed:
            told = [(event, data) for event, data in self.told if event not in ("$ready", "$place")]
        wanted = [self.text(number) for number in range(1, EVENTS + 1)]
        got = [data for event, data in told if event == "message"]
        if any(event == "$gap" for event, _ in told):
            return "told of a gap"
        if got == wanted:
            return ""
        faults = []
        lost = [number for number, data in enumerate(wanted, 1) if data not in got]
        if len(lost) > 1 and lost[-1] == EVENTS and lost == list(range(lost[0], EVENTS + 1)) and not self.came_back():
            return "does not come back"
        if lost:
            faults.append("loses " + ", ".join(map(str, lost)))
        if doubled := [str(number) for number, data in enumerate(wanted, 1) if got.count(data) > 1]:
            faults.append("doubles " + ", ".join(doubled))
        if others := [data for data in got if data not in wanted]:
            faults.append(f"makes up {others[0][:40]!r}")
        return "; ".join(faults) or "out of order"

    def came_back(self):
        return any(connection.primed for connection in self.proxy.connections[1:])
