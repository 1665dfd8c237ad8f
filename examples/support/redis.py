"""Redis from Python's standard library, so that the examples install nothing. An application uses its language's ordinary client
(examples/publish)."""

import os
import secrets
import socket
import threading
import time
import urllib.parse

PATIENCE_SECONDS = 30


class Error(Exception):
    """What Redis refused, in its words."""


class Redis:
    """One connection, for all threads. It is made anew after an error; what was asked then may or may not have been done."""

    def __init__(self, url=None):
        self.url = urllib.parse.urlsplit(url or os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
        self.lock = threading.Lock()
        self.file = None

    def connect(self):
        self.file = socket.create_connection((self.url.hostname, self.url.port or 6379), 5).makefile("rwb")
        if self.url.password:
            user = [urllib.parse.unquote(self.url.username)] if self.url.username else []
            self.ask("AUTH", *user, urllib.parse.unquote(self.url.password))

    def ask(self, *words):
        words = [str(word).encode() for word in words]
        self.file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        self.file.flush()
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise Error(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest

    def command(self, *words):
        """The reply: a text, a number, a list, or `None`. Raises `Error`, or `OSError` where Redis is not reached."""
        with self.lock:
            try:
                if self.file is None:
                    self.connect()
                return self.ask(*words)
            except OSError:
                self.file = None
                raise

    def publish(self, channel, data, event=None, **options):
        """Stores an event and announces it, in one step; returns its id. `options` are the function's: `maxlen=50, ttl=3600`. While
        Redis is away it tries again: with a DEDUP key that does no harm where the first attempt has succeeded after all."""
        words = ["DATA", data, "DEDUP", secrets.token_hex(8)] + (["EVENT", event] if event else [])
        for name, value in options.items():
            words += [name.upper(), value]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.command("FCALL", "sse_publish", 1, f"sse:{channel}", *words)
            except (OSError, Error):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)
