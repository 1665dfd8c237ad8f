"""sseclient-py reads one response; the loop around it is the application's, as its documentation leaves it."""

import time

import requests
import sseclient

from report import follow


def run(url, tell):
    place, delay = None, 1.0
    while True:
        headers = {"Accept": "text/event-stream"}
        if place:
            headers["Last-Event-ID"] = place
        try:
            response = requests.get(url, stream=True, headers=headers, timeout=60)
            for event in sseclient.SSEClient(response).events():
                place = event.id or place
                delay = event.retry / 1000 if isinstance(event.retry, int) else delay
                tell(event.event, event.data)
        except requests.RequestException:
            pass
        time.sleep(delay)


follow(run)
