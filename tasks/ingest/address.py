"""Images on an object store: whatever fsspec can read, `s3://bucket/folder`, say, as a folder here.

Credentials and endpoint are those of the store's own library: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
and so on, which DVC reads, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.core import paths
from tasks.core.files import TEMPORARY_SUFFIX, remove
from tasks.runner.errors import InputError, NetworkError

_COPY = paths.RAW.with_name(f".source{TEMPORARY_SUFFIX}")


@contextmanager
def local_path(path: str) -> Iterator[str]:
    """Gives a path as it is, or, of an address, that of a copy that lasts as long as the block.

    What the block raises about the copy names the address in its place.
    """
    if "://" not in path:
        yield path
        return
    remove(_COPY)
    try:
        _download(path, _COPY)
        yield str(_COPY)
    except InputError as error:
        raise InputError(str(error).replace(str(_COPY), path.rstrip("/"))) from None
    finally:
        remove(_COPY)


def _download(address: str, target: Path) -> None:
    from fsspec.core import url_to_fs  # most sources need no object store

    print(f"from {address}", flush=True)
    try:
        files, place = url_to_fs(address)
        is_folder = files.isdir(place)
        files.get(f"{place.rstrip('/')}/" if is_folder else place, str(target), recursive=is_folder)
    except FileNotFoundError:
        raise InputError(
            f"There is nothing at {address}, which ingest.path in params.yaml names. Expected a"
            " folder or a file; mend the address"
        ) from None
    except (ConnectionError, TimeoutError) as error:
        raise NetworkError(f"{address} can't be reached: {error}") from None
    except Exception as error:  # noqa: BLE001 - see below
        # Each store's library raises what it likes, which shares nothing but the names.
        if "Connect" in type(error).__name__ or "Timeout" in type(error).__name__:
            raise NetworkError(f"{address} can't be reached: {error}") from None
        raise InputError(
            f"{address} can't be read: {error}. Set what its library needs, such as"
            " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
        ) from None
