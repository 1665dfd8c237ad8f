"""Three readers of event streams, as simple as can be: whoever reads in one of these ways must lose nothing.

`blocks` does what the standard says. `lines` acts on every line as it comes, as several libraries do, so its place moves
before the block is whole. `dataless` acts on blocks and ignores an `id:` without data, as Firefox does.
"""

import http.client
import re
import threading
import time

KINDS = ["blocks", "lines", "dataless"]


class Reader(threading.Thread):
    def __init__(self, kind, url, tell, context=None):
        """`context`: whom it believes over TLS."""
        super().__init__(daemon=True)
        self.kind, self.tell, self.context, self.place, self.over = kind, tell, context, "", False
        self.scheme, self.host, self.path = re.fullmatch(r"(https?)://([^/]+)(/.*)", url).groups()

    def run(self):
        while not self.over:
            try:
                self.connect()
            except (OSError, http.client.HTTPException):
                pass
            # What it is told to wait is for browsers; here nothing else waits for it.
            time.sleep(0.2)

    def connect(self):
        if self.scheme == "https":
            connection = http.client.HTTPSConnection(self.host, timeout=30, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=30)
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self.place} if self.place else {})}
        connection.request("GET", self.path, headers=headers)
        response = connection.getresponse()
        name, data, place = "", [], None
        while (raw := response.readline()).endswith(b"\n"):
            field, _, value = raw.decode().rstrip("\n").partition(": ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                place = value
                if self.kind == "lines":
                    self.place = place
            elif not field:
                if place is not None and (data or self.kind != "dataless"):
                    self.place = place
                if data:
                    self.tell(name or "message", "\n".join(data))
                name, data, place = "", [], None
