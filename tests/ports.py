"""Ports of this machine for the servers that tests start."""

import random
import socket
from contextlib import ExitStack


def free_port() -> int:
    """A port on which nothing listens, nor on the next one, which `pipeline serve` takes, too.

    Below those that the system hands out to connections: it may hand out a port that was found free
    before the server listens there.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        try:
            with ExitStack() as stack:
                for taken in (port, port + 1):
                    stack.enter_context(socket.create_server(("127.0.0.1", taken)))
        except OSError:
            continue
        return port
