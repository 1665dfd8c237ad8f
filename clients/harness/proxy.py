"""A proxy in front of the nodes that decides, connection by connection, where it leads and at which byte it breaks."""

import re
import selectors
import socket
import struct
import threading

HEAD = b"\r\n\r\n"
READY = re.compile(rb"event: \$ready\ndata: [^\n]*\nid: [^\n]+\n\n")
PRIMING = re.compile(rb"id: [^\n]+\n\n")
PLACE = re.compile(rb"last-event-id: *[^\r ]|[?&]lasteventid=[^& ]", re.IGNORECASE)


class Step:
    """What becomes of one connection.

    Without `cut` bytes pass as they are, and so does the end, a reset included. With it the connection ends behind the
    first match of that pattern in the body: `clean` with the last chunk, as nginx does for a server that spoke HTTP/1.0 to
    it; otherwise in the middle of the response. `away`: for so many seconds nobody listens after that.
    """

    def __init__(self, node, cut=None, clean=False, away=0):
        self.node, self.cut, self.clean, self.away = node, cut, clean, away


class Connection:
    """`primed`: its client has been told a place, or that it keeps the one that it brought. `changed` tells of that."""

    def __init__(self, changed):
        self.changed, self.primed, self.ended, self.has_place = changed, False, threading.Event(), False

    def note(self, body):
        if not self.primed and (PRIMING if self.has_place else READY).search(body):
            with self.changed:
                self.primed = True
                self.changed.notify_all()


class Proxy:
    connection_kind = Connection

    def __init__(self, steps):
        self.steps = steps
        self.changed = threading.Condition()
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listen()

    def connection(self, number, timeout):
        """The connection of that number, from 0; `None` if it never came."""
        with self.changed:
            if self.changed.wait_for(lambda: len(self.connections) > number, timeout):
                return self.connections[number]
        return None

    def await_primed(self, number, timeout):
        """Whether that connection was primed; later ones count, too, since a client may try more often."""
        with self.changed:
            return self.changed.wait_for(lambda: any(one.primed for one in self.connections[number:]), timeout)

    def close(self):
        # A thread that waits in accept() keeps the socket; shutting it down wakes that thread.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def listen(self):
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def leave(self, seconds):
        """Refuses connections for that long, and keeps the port."""
        self.close()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        threading.Timer(seconds, self.listen).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                step = self.steps[min(len(self.connections), len(self.steps) - 1)]
                connection = self.connection_kind(self.changed)
                self.connections.append(connection)
                self.changed.notify_all()
            threading.Thread(target=self.serve, args=(client, step, connection), daemon=True).start()

    def serve(self, client, step, connection):
        ends = [client]

        def dial(step):
            ends.append(socket.create_connection(("127.0.0.1", step.node.port), timeout=5))
            ends[-1].settimeout(None)
            return ends[-1]

        try:
            self.carry(client, dial, step, connection)
            if step.away:
                self.leave(step.away)
        except ConnectionResetError:
            # An end that is no clean one stays so.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        finally:
            for end in ends:
                end.close()
            connection.ended.set()

    def carry(self, client, dial, step, connection):
        """What becomes of a connection until its end; `dial` connects to the node of a step."""
        request = read_head(client)
        connection.has_place = PLACE.search(request) is not None
        server = dial(step)
        if step.cut is None:
            server.sendall(request)
            pass_on(server, client, connection)
        else:
            server.sendall(request.replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", 1))
            pass_until(server, client, step, connection, b"close=abort" in request)


def read_head(stream):
    head = b""
    while HEAD not in head:
        got = stream.recv(65536)
        if not got:
            raise OSError("the client left")
        head += got
    return head


def pass_on(server, client, connection):
    """Passes bytes both ways until one side ends. In one thread, since a socket in use by another is not closed by close()."""
    seen = b""
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(client, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                got = key.fileobj.recv(65536)
                if not got:
                    return
                (client if key.fileobj is server else server).sendall(got)
                if key.fileobj is server:
                    seen += got
                    connection.note(seen)


def pass_until(server, client, step, connection, abort):
    """Passes the body on in chunks, until the pattern matches or the server ends. The head says what a node's would."""
    head, _, body = read_head(server).partition(HEAD)
    lines = [line for line in head.split(b"\r\n")[1:] if not line.lower().startswith(b"connection:")]
    lines = [b"HTTP/1.1 200 OK", *lines, b"Transfer-Encoding: chunked", *([] if abort else [b"Connection: close"])]
    client.sendall(b"\r\n".join(lines) + HEAD)
    sent, got = 0, body
    while True:
        match = step.cut.search(body)
        until = match.end() if match else len(body)
        if until > sent:
            client.sendall(b"%x\r\n%s\r\n" % (until - sent, body[sent:until]))
            sent = until
        connection.note(body[:sent])
        if match:
            break
        got = server.recv(65536)
        if not got:
            break
        body += got
    if step.clean:
        client.sendall(b"0\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
