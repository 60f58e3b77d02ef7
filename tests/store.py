"""A real S3 server on loopback, for the tests that read from an object store."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
}


@contextmanager
def serve_store(folder: Path) -> Iterator[str]:
    """Gives the address of a server whose log is in a folder."""
    port = free_port()
    log = (folder / "log").open("wb")
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p"]
    process = subprocess.Popen([*command, str(port)], stdout=log, stderr=log)
    try:
        while not answers(port):
            assert process.poll() is None, "the S3 server has ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        log.close()


def answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
