"""Where Prefect's server is to listen, and with which database: refused before anything starts."""

import asyncio
import socket
from dataclasses import dataclass

import asyncpg
from prefect.settings import get_current_settings
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from tasks.runner.cluster import is_loopback
from tasks.runner.errors import InputError

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """The server that is to run.

    Attributes:
        api: the address of its API.
        archive: that of the archive of runs, on the next port.
        auth: USER:PASSWORD; None asks for none.

    """

    api: str
    archive: str
    auth: str | None


def read_server() -> Server:
    """Reads Prefect's settings and checks them.

    Raises:
        InputError: the server couldn't start, or would let anyone run code.

    """
    settings = get_current_settings().server
    host, port = settings.api.host, settings.api.port
    auth = settings.api.auth_string.get_secret_value() if settings.api.auth_string else None
    if not 0 < port < 2**16 - 1:
        raise InputError(
            f"PREFECT_SERVER_API_PORT = {port} is no port; expected a number from 1 to 65534, such"
            " as PREFECT_SERVER_API_PORT=4200"
        )
    require_safe(host, auth=auth)
    for number in (port, port + 1):
        require_free(host, number)
    if (database := settings.database.connection_url) is not None:
        require_database(database.get_secret_value())
    place = f"http://{f'[{host}]' if ':' in host else host}"
    return Server(f"{place}:{port}/api", f"{place}:{port + 1}", auth)


def require_safe(host: str, *, auth: str | None) -> None:
    """Refuses to serve other machines without authentication, and a password that can't be sent.

    Raises:
        InputError: the host isn't a loopback address, and no password is set.

    """
    if auth is None and not is_loopback(host):
        raise InputError(
            f"PREFECT_SERVER_API_HOST = {host} is open to other machines, and the server would let"
            " anyone run code here. Set PREFECT_SERVER_API_AUTH_STRING to USER:PASSWORD, or leave"
            " the host at 127.0.0.1."
        )
    if auth is not None and not auth.isascii():
        raise InputError(
            "PREFECT_SERVER_API_AUTH_STRING holds letters beyond ASCII, which Prefect's clients"
            " can't send. Set one of ASCII letters, digits and signs"
        )


def require_free(host: str, port: int) -> None:
    """Refuses a port that answers already: the deployment would go to whoever listens there.

    Raises:
        InputError: another process listens, or the host is no address of this machine.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise InputError(
            f"Nothing can listen at {host}, port {port}: {error.strerror}. End what listens there"
            " (another `pipeline serve`?), or choose another: PREFECT_SERVER_API_PORT=4201"
        ) from None


def require_database(url: str) -> None:
    """Refuses a PostgreSQL database that doesn't answer.

    Raises:
        InputError: with its address, without its password.

    """
    expected = "PREFECT_SERVER_DATABASE_CONNECTION_URL: expected postgresql+asyncpg://USER:PASSWORD@HOST/NAME"
    try:
        address = make_url(url)
    except ArgumentError:
        raise InputError(f"{expected}, found something else") from None
    if not address.drivername.startswith("postgresql"):
        return

    async def connect() -> None:
        plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
        await (await asyncpg.connect(plain, timeout=_TIMEOUT_SECONDS)).close()

    try:
        asyncio.run(connect())
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise InputError(
            f"The database {address.render_as_string()} doesn't take connections:"
            f" {str(error) or type(error).__name__}. Start it, or mend the address in"
            " PREFECT_SERVER_DATABASE_CONNECTION_URL"
        ) from None
