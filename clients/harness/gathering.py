"""A link that hands on in one piece what a client sends in several."""

import select
import socket
import threading


class GatheringLink:
    """Carries bytes from a port of its own to `port` and back. What a client sends goes on when it has sent nothing for `seconds`. Ends with
    the process."""

    def __init__(self, port, seconds):
        self.server, self.seconds = port, seconds
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server))
            for source, target, pause in (client, server, self.seconds), (server, client, 0):
                threading.Thread(target=carry, args=(source, target, pause), daemon=True).start()


def carry(source, target, pause):
    try:
        while data := source.recv(65536):
            while pause and select.select([source], [], [], pause)[0] and (more := source.recv(65536)):
                data += more
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side has reset it: the other hears of it.
        for end in source, target:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
