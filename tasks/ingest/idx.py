"""Source idx: the four IDX files of MNIST and its family, in any height and width.

They come from the first of several places that has them.
"""

import hashlib
import http.client
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tasks.core.parameters import DataParameters
from tasks.images.arrays import parse_idx, unpack
from tasks.ingest.parameters import IdxParameters
from tasks.ingest.source import Part, Source, publish
from tasks.runner.errors import InputError, NetworkError

# No member of the MNIST family is larger; whatever is larger isn't what we ask for.
MAX_BYTES = 2**30


class Place(NamedTuple):
    """A place that may have the files.

    `fetch` gives each of some named files, gzipped or not, in order; or raises an InputError where
    the place lacks one, a NetworkError where it can't be reached.
    """

    name: str
    fetch: Callable[[Sequence[str]], Iterator[bytes]]


class IdxFile(NamedTuple):
    """One of the four files: its bytes, unpacked, and their SHA-256."""

    name: str
    content: bytes
    sha256: str


def read_idx(source: IdxParameters, data: DataParameters) -> Source:
    """Gets the files from the first place that has them."""
    files = fetch_first(places_of(source), source)
    hashes = {key: file.sha256 for key, file in files.items()}
    return publish(read_parts(files), source, data, sha256=hashes)


def read_parts(files: dict[str, IdxFile]) -> list[Part]:
    """The arrays in the four files."""
    parts = []
    for name in ("train", "test"):
        images, labels = (
            parse_idx(file.content, name=file.name, num_dimensions=number)
            for file, number in ((files[f"{name}_images"], 3), (files[f"{name}_labels"], 1))
        )
        parts.append(Part(name, (*images.shape, 1), images[..., None], labels))
    return parts


def places_of(source: IdxParameters) -> list[Place]:
    """The places that params.yaml names, in the order in which they are tried."""
    places = [
        Place(f"the folder {folder}", partial(read_folder, folder=Path(folder)))
        for folder in filter(None, (source.path, source.system_folder))
    ]
    places += [
        Place(url, partial(download, url=url, timeout=source.timeout)) for url in source.urls
    ]
    if source.debian_package and source.system_folder:
        package = partial(
            unpack_package, package=source.debian_package, folder=source.system_folder
        )
        places.append(Place(f"Debian's package {source.debian_package}", package))
    return places


def fetch_first(places: Iterable[Place], source: IdxParameters) -> dict[str, IdxFile]:
    """Gets all four files from the first place that has them as they should be.

    They come under the names of the parameters: `train_images` and so on. Where no place has them,
    but one that couldn't be reached may have, the error is a NetworkError.
    """
    unreachable = False
    for place in places:
        try:
            files = fetch_from(place, source)
        except (InputError, NetworkError, OSError) as error:
            unreachable |= isinstance(error, NetworkError)
            print(f"not from {place.name}: {error}", flush=True)
        else:
            print(f"from {place.name}", flush=True)
            return files
    message = (
        "No place has the data. Put the four files "
        + ", ".join(f"{name}.gz" for name in source.files.model_dump().values())
        + " into the folder that ingest.path in params.yaml names, and run: dvc repro"
    )
    raise NetworkError(message) if unreachable else InputError(message)


def fetch_from(place: Place, source: IdxParameters) -> dict[str, IdxFile]:
    """Gets all four files from one place."""
    names: dict[str, str] = source.files.model_dump()
    expected: dict[str, str] = source.sha256.model_dump() if source.sha256 else {}
    packed = place.fetch(list(names.values()))
    files = {}
    for (key, name), content in zip(names.items(), packed, strict=True):
        content = unpack(content, name=name, max_bytes=MAX_BYTES)
        found = hashlib.sha256(content).hexdigest()
        if expected.get(key, found) != found:
            raise InputError(
                f"{name} has the SHA-256 {found}; ingest.sha256 in params.yaml says"
                f" {expected[key]}. Get it anew; null takes it as it is"
            )
        files[key] = IdxFile(name, content, found)
    return files


def read_folder(names: Sequence[str], *, folder: Path) -> Iterator[bytes]:
    """Reads each NAME, or else NAME.gz."""
    for name in names:
        found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if not found:
            raise InputError(f"has no {name} and no {name}.gz")
        if found[0].stat().st_size > MAX_BYTES:
            raise InputError(f"{found[0]} is larger than {MAX_BYTES:,} bytes")
        yield found[0].read_bytes()


def download(names: Sequence[str], *, url: str, timeout: float) -> Iterator[bytes]:
    """Downloads each URL/NAME.gz into memory; an interrupted download leaves nothing behind."""
    for name in names:
        request = f"{url.rstrip('/')}/{name}.gz"
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - the user's own address
                content = response.read(MAX_BYTES)
                missing = response.length
        except urllib.error.HTTPError as error:
            raise InputError(f"answers {error.code} {error.reason} for {name}.gz") from None
        except (OSError, http.client.HTTPException) as error:
            raise NetworkError(f"can't be reached: {error}") from None
        if missing:
            raise NetworkError(f"broke off: {missing:,} bytes of {name}.gz are missing")
        yield content


def unpack_package(names: Sequence[str], *, package: str, folder: str) -> Iterator[bytes]:
    """Downloads and unpacks a Debian package, once; it isn't installed, which would need root."""
    with tempfile.TemporaryDirectory() as temporary:
        _run("apt-get", "download", package, folder=temporary)
        archives = list(Path(temporary).glob("*.deb"))
        if not archives:
            raise InputError("apt-get downloaded nothing")
        _run("dpkg-deb", "--extract", str(archives[0]), temporary, folder=temporary)
        yield from read_folder(names, folder=Path(temporary) / folder.lstrip("/"))


def _run(*command: str, folder: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise InputError(f"needs {command[0]}, which this system doesn't have") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise NetworkError(f"{' '.join(command[:2])} failed: {lines[-1]}") from None
