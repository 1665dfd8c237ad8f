"""What every client here has in common: the streams come as arguments, and what is told goes out as a line of JSON each."""

import json
import sys
import threading
import time

_LOCK = threading.Lock()


def follow(run):
    """Calls `run(url, tell)` for every stream in a thread of its own; `tell(event, data)` reports one event of it."""

    def one(stream, url):
        def tell(event, data):
            with _LOCK:
                print(json.dumps([stream, event or "message", data]), flush=True)

        run(url, tell)

    for stream, url in enumerate(sys.argv[1:]):
        threading.Thread(target=one, args=(stream, url), daemon=True).start()
    while True:
        time.sleep(60)
