"""The archive in a browser: read-only, nothing beside it, nothing executed.

    python -m workspace.web PORT

serves archive/ at PREFECT_SERVER_API_HOST (127.0.0.1 if that isn't set), behind the password of
PREFECT_SERVER_API_AUTH_STRING where there is one.
"""

import base64
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tasks.runner.stage import end_with_parent
from workspace.archive import ARCHIVE
from workspace.overview import PAGE_NAME, write_overview

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_FOR_EVER = "private, max-age=31536000, immutable"  # a run never changes

Next = Callable[[Request], Awaitable[Response]]


def make_application(archive: Path, *, auth: str | None) -> Starlette:
    """The archive as a web application.

    Args:
        archive: the folder; nothing outside of it is reached, and no folder is listed.
        auth: USER:PASSWORD, asked of every browser; None asks for none.

    """
    expected = f"Basic {base64.b64encode((auth or '').encode()).decode()}"

    async def guard(request: Request, call_next: Next) -> Response:
        given = request.headers.get("Authorization", "")
        if auth is not None and not secrets.compare_digest(given.encode(), expected.encode()):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="pipeline"'})
        response = await call_next(request)
        response.headers.update(_HEADERS)
        is_page = request.url.path in ("/", f"/{PAGE_NAME}")
        response.headers["Cache-Control"] = "no-cache" if is_page else _FOR_EVER
        if response.status_code >= 400:
            response.headers["Cache-Control"] = "no-store"
        return response

    return Starlette(
        routes=[Mount("/", StaticFiles(directory=archive, html=True))],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)],
    )


def main() -> None:
    """Serves until it is ended."""
    end_with_parent()
    ARCHIVE.mkdir(exist_ok=True)
    if not (ARCHIVE / PAGE_NAME).exists():
        write_overview()
    uvicorn.run(
        make_application(ARCHIVE, auth=os.environ.get("PREFECT_SERVER_API_AUTH_STRING")),
        host=os.environ.get("PREFECT_SERVER_API_HOST", "127.0.0.1"),
        port=int(sys.argv[1]),
        log_level="warning",
    )


if __name__ == "__main__":
    main()
