"""httpx-sse reads one response; the loop around it is the one that its documentation shows. CLIENT_HTTP2 tells it to offer HTTP/2."""

import os
import time

import httpx
from h2.exceptions import ProtocolError
from httpx_sse import SSEError, connect_sse

from report import follow


def run(url, tell):
    place, delay = "", 1.0
    with httpx.Client(http2="CLIENT_HTTP2" in os.environ) as client:
        while True:
            headers = {"Last-Event-ID": place} if place else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    for event in source.iter_sse():
                        place = event.id
                        delay = event.retry / 1000 if event.retry is not None else delay
                        # It also tells of a block without data (an id, a delay), which is no event.
                        if event.data:
                            tell(event.event, event.data)
            # Of its HTTP/2 not every error is one of its own: a node that drains says PING behind GOAWAY, which h2 takes for a breach.
            except (httpx.HTTPError, SSEError, ProtocolError):
                pass
            time.sleep(delay)


follow(run)
