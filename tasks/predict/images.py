"""The images of a prediction: what a path or an address holds, whole or cut into parts."""

import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from tasks.images.errors import ImageError, Tally
from tasks.images.files import MAX_FILE_BYTES, why_name_aside
from tasks.images.policy import ImagePolicy
from tasks.images.sources import Images, fetch_file, list_pictures, open_source, read_pictures
from tasks.ingest.address import is_address
from tasks.ingest.rows import TABLE_ENDINGS, as_text, read_rows
from tasks.predict.attempts import Begin
from tasks.runner.errors import InputError, NetworkError, naming_store
from tasks.runner.parts import split_items

PATH_COLUMN = "path"
# What stores call what changes with a file's content; the first that a store has.
_STAMPS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated")


def open_images(images: str, policy: ImagePolicy) -> "Listing":
    """Finds out what IMAGES is: a folder, a file, a table of paths, or an address.

    Raises:
        InputError: it holds no images.
        NetworkError: the address can't be reached.

    """
    listing = _open(images, policy)
    if listing.num_images == 0:
        raise InputError(f"{images} holds no images. Expected one at least")
    return listing


def _open(images: str, policy: ImagePolicy) -> "Listing":
    path = Path(images)
    if is_address(images):
        return _list_address(images.rstrip("/"), policy)
    if path.is_dir():
        names, aside = list_pictures(path)
        root = path.resolve()
        return Files(names, [_stamp(root / name) for name in names], policy, str(root), aside)
    if path.suffix in TABLE_ENDINGS and path.is_file():
        return _list_table(path, policy)
    source = open_source(path, policy)
    return Rows(path.resolve(), policy, num_images=source.num_images)


@dataclass
class Files:
    """Image files in a folder, in a table of paths, or on an object store.

    Attributes:
        stamps: what changes when an image's content does; empty where nothing tells.
        root: what the names are relative to, a folder or an address.
        aside: files that nobody means as images.
        begin: notes which file is being read, for the case that it ends this process.

    """

    names: list[str]
    stamps: list[str]
    policy: ImagePolicy
    root: str
    aside: Tally = field(default_factory=Tally)
    begin: Begin | None = None

    def __post_init__(self) -> None:
        self.num_images = len(self.names)

    def cut(self, places: Sequence[int], size: int) -> Iterator["Files"]:
        """Yields parts of at most `size` of the images at some places, in order."""
        for chosen in split_items(places, size=size):
            names = [self.names[place] for place in chosen]
            stamps = [self.stamps[place] for place in chosen]
            yield replace(self, names=names, stamps=stamps, aside=Tally())

    def batches(self, size: int, /) -> Iterator[Images]:
        """Yields all images, in order, at most `size` at a time."""
        is_here = is_address(self.root) or Path(self.root).is_dir()
        if not (is_here or all(map(is_address, self.names))):
            raise InputError(
                f"{self.root} isn't there. Expected a folder that all machines share; name one"
            )
        for batch in read_pictures(self.names, self._fetch, self.policy, size):
            if self.begin:
                self.begin(None)
            yield batch

    def _fetch(self, names: Sequence[str]) -> Iterator[bytes | InputError]:
        """What lies on an object store is asked for at once."""
        base = f"{self.root}/" if is_address(self.root) else ""
        places = [name if is_address(name) else base + name for name in names]
        fetched = iter(_fetch([place for place in places if is_address(place)]))
        for name, place in zip(names, places, strict=True):
            found = next(fetched) if is_address(place) else None
            try:
                if self.begin:
                    self.begin(name)
                if found is None:
                    yield fetch_file(Path(self.root, name), name)
                else:
                    yield _content(name, found)
            except InputError as error:
                yield error


@dataclass
class Rows:
    """Some of the images of a file, one after another, named by their position.

    Attributes:
        first: the position of the first.

    """

    path: Path
    policy: ImagePolicy
    num_images: int
    first: int = 0
    aside: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.names = [str(self.first + place) for place in range(self.num_images)]
        self.stamps = [_stamp(self.path)] * self.num_images

    def cut(self, places: Sequence[int], size: int) -> Iterator["Rows"]:
        """See `Files`; a part holds images that follow one another."""
        for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
            for chosen in split_items((place for _, place in run), size=size):
                yield replace(self, first=self.first + chosen[0], num_images=len(chosen))

    def batches(self, size: int, /) -> Iterator[Images]:
        """See `Files`."""
        source = open_source(self.path, self.policy)
        left = self.num_images
        for batch in source.batches(size, first=self.first):
            if left > 0:
                yield Images(batch.names[:left], batch.errors[:left], batch.pixels[:left])
            left -= len(batch.names)
            # The last part reads on, so that a file with too many bytes is noticed.
            if left <= 0 and self.first + self.num_images < source.num_images:
                return


# The images of a prediction, which can be cut into parts that other processes read.
Listing = Files | Rows


def _list_table(path: Path, policy: ImagePolicy) -> Files:
    """The files that a table names, relative to its folder, or by address."""
    names = [as_text(row[0]) or "" for row in read_rows(path, [PATH_COLUMN], header=True)]
    repeated = sorted({name for name, number in Counter(names).items() if number > 1})
    if not all(names) or repeated or not names:
        found = f"{repeated[0]!r} more than once" if any(repeated) else "rows without one"
        raise InputError(
            f"{path} has {found if names else 'no rows'}; expected a path in each row, and none"
            f" twice, in the column {PATH_COLUMN}"
        )
    root = path.parent.resolve()
    there = _stamp_addresses(filter(is_address, names))
    stamps = [there.get(name, "") if is_address(name) else _stamp(root / name) for name in names]
    return Files(names, stamps, policy, str(root))


def _stamp_addresses(addresses: Iterable[str]) -> dict[str, str]:
    """Stamps by address, from a listing of each folder on a store; the web lists nothing."""
    from fsspec.core import url_to_fs

    stamps = {}
    for parent in sorted({address.rpartition("/")[0] for address in addresses}):
        if parent.startswith("http"):
            continue
        with suppress(Exception):  # a store that lets nobody list it may let one read
            store, top = url_to_fs(parent)
            for facts in store.ls(top, detail=True, refresh=True):
                address = f"{parent}/{facts['name'].removeprefix(top).lstrip('/')}"
                stamps[address] = _stamp_object(address, facts)
    return stamps


def _stamp_object(address: str, facts: Mapping[str, object]) -> str:
    size, stamp = facts.get("size"), next((facts[key] for key in _STAMPS if key in facts), "")
    return "" if size is None and not stamp else f"{address} {size} {stamp}"


def _list_address(address: str, policy: ImagePolicy) -> Files:
    """The files below an address of an object store, or the one that is there."""
    from fsspec.core import url_to_fs

    with naming_store(address):
        store, top = url_to_fs(address)
        entries = store.find(top, detail=True)
    if entries.keys() == {top}:
        address, top = address.rpartition("/")[0], top.rpartition("/")[0]
    aside = Tally()
    stamps: dict[str, str] = {}
    for place, facts in entries.items():
        name = place.removeprefix(top).lstrip("/")
        reasons = filter(None, map(why_name_aside, name.split("/")))
        if reason := next(reasons, "empty" if facts.get("size") == 0 else None):
            aside.add(reason, name)
            continue
        stamps[name] = _stamp_object(address, facts)
    if not stamps:
        reasons = "".join(f"\nleft aside, {line}" for line in aside.describe())
        raise InputError(f"There are no images at {address}. Mend the address{reasons}")
    # As in a folder, where a folder stands among the files by its own name.
    names = sorted(stamps, key=lambda name: name.split("/"))
    return Files(names, [stamps[name] for name in names], policy, address, aside)


def _stamp(path: Path) -> str:
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return ""  # told when it is read
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _fetch(addresses: Sequence[str]) -> list[bytes | Exception]:
    """The bytes at some addresses, those of a store asked for at once; one too many of each."""
    if not addresses:
        return []
    from fsspec.core import url_to_fs

    found: list[bytes | Exception] = []
    with naming_store(addresses[0]):
        for store, group in groupby(map(url_to_fs, addresses), key=itemgetter(0)):
            places = [place for _, place in group]
            found += store.cat_ranges(places, 0, MAX_FILE_BYTES + 1, on_error="return")
    return found


def _content(name: str, found: bytes | Exception) -> bytes:
    """What was fetched for an image.

    Raises:
        ImageError: it can't be used.
        NetworkError: the store refuses or can't be reached, which says nothing about the image.

    """
    if isinstance(found, FileNotFoundError):
        raise ImageError(name, "can't be read", ": there is no such object")
    if getattr(found, "errno", None) == errno.EINVAL:  # no range of bytes is in it
        raise ImageError(name, "can't be read", ": it is empty")
    if isinstance(found, ValueError):  # no store has a thing of that name
        raise ImageError(name, "can't be read", f": {found}")
    if isinstance(found, Exception):
        raise NetworkError(
            f"{name} can't be read: {found}. Mend this, and run this again: what is finished is"
            " kept"
        )
    if len(found) > MAX_FILE_BYTES:
        raise ImageError(name, f"is larger than {MAX_FILE_BYTES:,} bytes")
    return found
