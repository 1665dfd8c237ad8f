"""A proxy in front of nodes that speak TLS: it passes on what it cannot read, and ends a connection at a place among the records."""

import selectors
import time

from .proxy import Connection, Proxy

# The types of records (RFC 8446 section 5.1), and how long their headers are.
CHANGE_CIPHER_SPEC, HANDSHAKE, APPLICATION_DATA, HEADER = 20, 22, 23, 5
# Longer than the last message of a handshake of TLS 1.2, shorter than a ClientHello.
LONGEST_FINISHED = 100
# Some of the server's first record, which is longer.
PART_OF_FIRST = 60
# Shorter records hold no event: comments, window updates, the settings of HTTP/2.
SHORTEST_EVENT = 48
# How many bytes of the record of an event pass, by the place. Without a number it passes whole.
PASSED = {"in-record-header": 3, "in-record": 20, "between-records": None, "in-event": None}
ALPN, CLIENT_HELLO = 16, 1


class TlsStep:
    """What becomes of one connection.

    Without a `place` records pass as they are, and so does the end. With it the connection ends there, without the message that
    says so (`close_notify`): `reset` by the network's RST, otherwise by its FIN. `away`: for so many seconds nobody listens after that.
    `lifetime`: it ends, too, so many seconds after its client has asked for something.
    """

    def __init__(self, node, place=None, reset=False, away=0, lifetime=None):
        self.node, self.place, self.reset, self.away, self.lifetime = node, place, reset, away, lifetime


class TlsConnection(Connection):
    """`protocols`: what its client offered by ALPN; `None` until it has said hello. `answered`: it has got something behind the handshake. `cut`: its place has come."""

    def __init__(self, changed):
        super().__init__(changed)
        self.protocols, self.sent, self.encrypts, self.answered, self.cut = None, 0, False, False, False

    @property
    def has_asked(self):
        """The first encrypted record of a client is the end of its handshake, the next is a request or begins one."""
        return self.sent > 1


class Records:
    """Bytes in, whole records out."""

    def __init__(self):
        self.rest = b""

    def take(self, got):
        self.rest += got
        whole = []
        while len(self.rest) >= HEADER:
            end = HEADER + int.from_bytes(self.rest[3:HEADER], "big")
            if len(self.rest) < end:
                break
            whole.append(self.rest[:end])
            self.rest = self.rest[end:]
        return whole


class Ended(Exception):
    """The place has come."""


class TlsProxy(Proxy):
    """`armed`: the next record that is long enough is that of the event behind which, or in which, the connection ends."""

    connection_kind = TlsConnection

    def __init__(self, steps):
        self.armed = False
        super().__init__(steps)

    def carry(self, client, dial, step, connection):
        server = dial(step)
        try:
            self.pass_records(server, client, step, connection)
        except Ended:
            connection.cut = True
            if step.reset:
                raise ConnectionResetError from None

    def pass_records(self, server, client, step, connection):
        from_client, from_server, left = Records(), Records(), None
        with selectors.DefaultSelector() as selector:
            selector.register(server, selectors.EVENT_READ)
            selector.register(client, selectors.EVENT_READ)
            while left is None or left > time.monotonic():
                for key, _ in selector.select(left and max(0, left - time.monotonic())):
                    got = key.fileobj.recv(65536)
                    if key.fileobj is server:
                        if not got:
                            return client.sendall(from_server.rest)
                        self.pass_answer(from_server.take(got), client, step, connection)
                    else:
                        if not got:
                            return None
                        self.look_at_request(from_client.take(got), step, connection)
                        server.sendall(got)
                if step.lifetime and connection.has_asked and left is None:
                    left = time.monotonic() + step.lifetime
        return None

    def look_at_request(self, records, step, connection):
        for record in records:
            kind = record[0]
            if kind == HANDSHAKE and connection.protocols is None:
                connection.protocols = offered(record)
            connection.encrypts = connection.encrypts or kind == CHANGE_CIPHER_SPEC
            # TLS 1.2 calls its last message of a handshake what it is, TLS 1.3 calls it data.
            is_finished = kind == HANDSHAKE and connection.encrypts and len(record) < LONGEST_FINISHED
            connection.sent += is_finished or kind == APPLICATION_DATA
        if step.place == "before-head" and connection.has_asked:
            raise Ended

    def pass_answer(self, records, client, step, connection):
        for record in records:
            if step.place == "in-handshake":
                client.sendall(record[:PART_OF_FIRST])
                raise Ended
            is_event = self.armed and record[0] == APPLICATION_DATA and len(record) >= SHORTEST_EVENT
            if is_event and step.place in PASSED:
                client.sendall(record[: PASSED[step.place]])
                raise Ended
            client.sendall(record)
            connection.answered = connection.answered or connection.has_asked


def offered(record):
    """The protocols that the ClientHello in this record offers (RFC 8446 section 4.1.2, RFC 7301 section 3.1)."""
    hello = record[HEADER:]
    if hello[0] != CLIENT_HELLO:
        return []
    # Its type and length, the version, 32 bytes by chance; then three lists with the length in front: session, ciphers, compression.
    at = 4 + 2 + 32
    for size in (1, 2, 1):
        at += size + int.from_bytes(hello[at : at + size], "big")
    at += 2
    while at + 4 <= len(hello):
        kind, length = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == ALPN:
            return names_in(hello[at + 6 : at + 4 + length])
        at += 4 + length
    return []


def names_in(listed):
    names = []
    while listed:
        names.append(listed[1 : 1 + listed[0]].decode("latin-1"))
        listed = listed[1 + listed[0] :]
    return names
