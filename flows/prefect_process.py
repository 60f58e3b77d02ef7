"""Prefect's command line, in a process that ends when the one that started it does."""

import io
import sys
import urllib.error
import urllib.request
from contextlib import redirect_stderr

from pydantic import ValidationError

from tasks.runner.errors import InputError, NetworkError
from tasks.runner.stage import end_with_parent


def require_settings() -> None:
    """Refuses settings with which Prefect can't even be imported.

    Raises:
        InputError: with the first of them.

    """
    try:
        # Prefect tells of it, too, in lines of its own.
        with redirect_stderr(io.StringIO()):
            from prefect.settings import get_current_settings

            get_current_settings()
    except ValidationError as error:
        fault = error.errors()[0]
        raise InputError(
            f"{error.title} of Prefect: {'.'.join(map(str, fault['loc']))} = {fault['input']!r}:"
            f" {fault['msg']}. Mend the variable PREFECT_… or the line of prefect.toml that says so"
        ) from None


def find_server() -> str | None:
    """The address of the server's API that is named; None if Prefect starts a temporary one.

    Raises:
        NetworkError: it doesn't answer.

    """
    from prefect.settings import get_current_settings

    address = get_current_settings().api.url
    if address is None:
        return None
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=10):  # noqa: S310
            return address
    except urllib.error.HTTPError:
        return address  # it answers; what it thinks of us, Prefect says
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"PREFECT_API_URL = {address} names a Prefect server that doesn't answer ({error})."
            " Start it: pipeline serve. Or do without: unset PREFECT_API_URL"
        ) from None


if __name__ == "__main__":
    end_with_parent()
    from prefect.cli import app

    sys.argv[0] = "prefect"
    app()
