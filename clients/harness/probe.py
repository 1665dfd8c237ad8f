"""A server that says an `id:` without data and ends: whether a client comes back with it tells how it takes such an id."""

import socket
import threading

from .proxy import PLACE, read_head

RETURN = 30
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nAccess-Control-Allow-Origin: *\r\nTransfer-Encoding: chunked\r\n\r\n"
# Breaks off behind it: clients that take a clean end for the end would not come back.
BLOCK = b"retry: 500\nid: 7\n\n"


class Probe(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(RETURN)
        # True: it has kept the id; False: it came back without; None: it did not come back.
        self.kept = None

    def url(self, _query):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/events?channel=probe"

    def tell(self, _event, _data):
        """It says nothing that could be told."""

    def run(self):
        try:
            with self.listener.accept()[0] as client:
                read_head(client)
                client.sendall(ANSWER + b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
                client.shutdown(socket.SHUT_WR)
                client.settimeout(1)
                try:
                    client.recv(1)
                except OSError:
                    pass
            with self.listener.accept()[0] as client:
                self.kept = PLACE.search(read_head(client)) is not None
        except OSError:
            pass
        finally:
            self.listener.close()
