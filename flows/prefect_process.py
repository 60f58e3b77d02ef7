"""Prefect's command line, in a process that ends when the one that started it does."""

import sys
import urllib.error
import urllib.request

from tasks.runner.errors import NetworkError
from tasks.runner.stage import end_with_parent


def require_server() -> None:
    """Refuses to start a flow where a server is named that doesn't answer.

    Raises:
        NetworkError: with the address.

    """
    from prefect.settings import get_current_settings

    address = get_current_settings().api.url
    if address is None:
        return  # Prefect starts a temporary server
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=10):  # noqa: S310
            return
    except urllib.error.HTTPError:
        return  # it answers; what it thinks of us, Prefect says
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
