"""Images on an object store: whatever fsspec can read, `s3://bucket/folder`, say, as a folder here.

Credentials and endpoint are those of the store's own library: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
and so on, which DVC reads, too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.core.files import remove
from tasks.runner.errors import InputError, naming_store


def is_address(path: str) -> bool:
    """Whether a path is one of fsspec's, `s3://bucket/folder`, say."""
    return "://" in path


@contextmanager
def local_path(path: str, folder: Path) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Gives a path as it is, or, of an address, that of a copy that lasts as long as the block.

    The copy lies in `folder`, which is made and removed. The function that is given, too, names the
    address in a text in place of the copy, as the block's InputErrors do.
    """
    if not is_address(path):
        yield path, str
        return
    parent, _, name = path.rstrip("/").rpartition("/")

    def tell(text: str) -> str:
        return text.replace(str(folder), parent)

    remove(folder)
    folder.mkdir(parents=True)
    try:
        _download(path, folder / name)
        yield str(folder / name), tell
    except InputError as error:
        raise InputError(tell(str(error))) from None
    finally:
        remove(folder)


def _download(address: str, target: Path) -> None:
    from fsspec.core import url_to_fs  # most sources need no object store

    print(f"from {address}", flush=True)
    with naming_store(address, hint=", which may be ingest.path in params.yaml"):
        files, place = url_to_fs(address)
        is_folder = files.isdir(place)
        files.get(f"{place.rstrip('/')}/" if is_folder else place, str(target), recursive=is_folder)
