"""Ports that stay ours: a lock file goes with each, in the folder that crates/e2e/src/ports.rs uses, so that the two never give
out the same one.

A port found by binding to 0 is free again as soon as that socket closes. Linux gives it to the next outgoing connection, and
a harness that opens hundreds takes it from its own servers.
"""

import fcntl
import itertools
import os
import pathlib
import socket
import tempfile

# Below the range from which Linux takes the ports of outgoing connections (32768 and up).
FIRST, COUNT = 20_000, 12_000
FOLDER = pathlib.Path(tempfile.gettempdir()) / "fanfare-e2e-ports"

_steps = itertools.count(os.getpid())
# The locks go when the process ends.
_locks = []


def take(hosts=("127.0.0.1",)):
    """A port of ours until this process ends, on which nobody listens now at any of these addresses."""
    FOLDER.mkdir(exist_ok=True)
    for _ in range(COUNT):
        port = FIRST + next(_steps) % COUNT
        # Inherited by nobody: Python opens files so that a program started from here does not keep them.
        lock = open(FOLDER / str(port), "a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for host in hosts:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, port))
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return port
    raise AssertionError(f"no free port between {FIRST} and {FIRST + COUNT}")
