"""The ways in which a stream over TLS is broken: among its records, whatever is in them; and those of cuts.py that are the node's."""

from .cuts import EVENTS, OTHERS, RETURN, Case, text_of
from .tls_proxy import TlsProxy, TlsStep

# Until a client has asked, and is told `$ready`, nothing is promised.
UNPLACED = {"in-handshake", "before-head"}
# In the record of event 3, or behind it; `in-event`: behind one record of that event, which needs several.
PLACES = ["in-handshake", "before-head", "in-record-header", "in-record", "between-records", "in-event"]
NAMES = [f"{place}/{end}" for place in PLACES for end in ("broken", "reset")] + OTHERS
# A record holds 16 KiB at most (RFC 8446 section 5.1).
LARGE = 40 * 1024
# Over HTTP/2 a refusal leaves the connection open, and its client asks over it again for as long as it is there.
REFUSING = 3


class TlsCase(Case):
    """One cut of one client: what it has heard says how far it is, since the proxy cannot read."""

    unplaced, step, proxy_kind = UNPLACED, TlsStep, TlsProxy
    scheme = "https"

    def refusing(self):
        return TlsStep(self.nodes["refusing"], lifetime=REFUSING)

    def placed(self, place, end):
        return [TlsStep(self.nodes["steady"], place, end == "reset"), TlsStep(self.nodes["steady"])]

    # `between` is what plain streams call it.
    behind_third = "between-records"

    def text(self, number):
        is_large = number == 3 and self.name_of_cut.startswith("in-event/")
        return text_of(number) + "." * (LARGE if is_large else 0)

    def await_that(self, holds, timeout=RETURN):
        with self.changed:
            return self.changed.wait_for(holds, timeout)

    def await_told(self, number):
        return self.await_that(lambda: any(data == self.text(number) for _, data in self.told))

    def await_start(self):
        return self.await_that(lambda: any(event == "$ready" for event, _ in self.told))

    await_first_return = await_start

    def await_return(self):
        self.await_told(EVENTS - 2)

    def publish_up_to_cut(self):
        self.publish(1, 2)
        if self.await_told(2):
            self.proxy.armed = True
        self.publish(3)

    def came_back(self):
        return any(connection.answered for connection in self.proxy.connections[1:])

    def outcome(self):
        is_placed = any(step.place for step in self.proxy.steps)
        if is_placed and not any(connection.cut for connection in self.proxy.connections):
            return "was never cut"
        return super().outcome()

    def offers_http2(self):
        offers = [connection.protocols for connection in self.proxy.connections if connection.protocols is not None]
        return bool(offers) and all("h2" in protocols for protocols in offers)
