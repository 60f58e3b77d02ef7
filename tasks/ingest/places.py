"""The places that may have the four IDX files, tried in turn."""

import hashlib
import http.client
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.images.idx import unpack
from tasks.ingest.parameters import IdxHashes, IdxParameters
from tasks.runner.errors import InputError, NetworkError

FILE_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# No member of the MNIST family is larger; whatever is larger isn't what we ask for.
MAX_BYTES = 2**30


@dataclass(frozen=True)
class IdxFiles:
    """The four files, unpacked.

    Attributes:
        content: file name → bytes.
        sha256: file name → SHA-256 of those bytes.

    """

    content: dict[str, bytes]
    sha256: dict[str, str]


class Place(Protocol):
    """A place that may have the files."""

    def __str__(self) -> str:
        """The place, as a person would name it."""
        ...

    def fetch(self, name: str) -> bytes:
        """The file's bytes, gzipped or not.

        Raises:
            InputError: the place doesn't have the file.
            NetworkError: the place can't be reached.

        """
        ...


@dataclass(frozen=True)
class Folder:
    """A folder with the files, gzipped or not."""

    path: Path

    def __str__(self) -> str:
        return f"the folder {self.path}"

    def fetch(self, name: str) -> bytes:
        """Reads NAME, or else NAME.gz."""
        for path in (self.path / name, self.path / f"{name}.gz"):
            if path.is_file():
                if path.stat().st_size > MAX_BYTES:
                    raise InputError(f"{path} is larger than {MAX_BYTES:,} bytes")
                return path.read_bytes()
        raise InputError(f"has no {name} and no {name}.gz")


@dataclass(frozen=True)
class Address:
    """A web address under which the gzipped files lie."""

    url: str
    timeout: float

    def __str__(self) -> str:
        return self.url

    def fetch(self, name: str) -> bytes:
        """Downloads URL/NAME.gz into memory; an interrupted download leaves nothing behind."""
        request = f"{self.url.rstrip('/')}/{name}.gz"
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:  # noqa: S310 - the user's own address
                content = response.read(MAX_BYTES)
                missing = response.length
        except urllib.error.HTTPError as error:
            raise InputError(f"answers {error.code} {error.reason} for {name}.gz") from None
        except (OSError, http.client.HTTPException) as error:
            raise NetworkError(f"can't be reached: {error}") from None
        if missing:
            raise NetworkError(f"broke off: {missing:,} bytes of {name}.gz are missing")
        return content


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package, downloaded and unpacked but not installed: it needs no root."""

    package: str
    folder: str

    def __str__(self) -> str:
        return f"Debian's package {self.package}"

    def fetch(self, name: str) -> bytes:
        """Downloads the package for one file of it.

        The four downloads cost seconds once, and spare a folder that outlives the call.
        """
        with tempfile.TemporaryDirectory() as temporary:
            self._run("apt-get", "download", self.package, folder=temporary)
            archives = list(Path(temporary).glob("*.deb"))
            if not archives:
                raise InputError("apt-get downloaded nothing")
            self._run("dpkg-deb", "--extract", str(archives[0]), temporary, folder=temporary)
            return Folder(Path(temporary) / self.folder.lstrip("/")).fetch(name)

    def _run(self, *command: str, folder: str) -> None:
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise InputError(f"needs {command[0]}, which this system doesn't have") from None
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines() or ["no message"]
            raise NetworkError(f"{' '.join(command[:2])} failed: {lines[-1]}") from None


def places_of(source: IdxParameters) -> list[Place]:
    """The places that params.yaml names, in the order in which they are tried."""
    places: list[Place] = [Folder(Path(source.path))]
    if source.system_folder:
        places.append(Folder(Path(source.system_folder)))
    places += [Address(url, source.timeout) for url in source.urls]
    if source.debian_package and source.system_folder:
        places.append(DebianPackage(source.debian_package, source.system_folder))
    return places


def fetch_first(places: Iterable[Place], sha256: IdxHashes | None) -> IdxFiles:
    """Gets all four files from the first place that has them as they should be.

    Args:
        places: in the order in which they are tried.
        sha256: what the unpacked bytes must be; None takes them as they are.

    Raises:
        NetworkError: no place had the files, but one that couldn't be reached may have.
        InputError: no place has the files.

    """
    expected = sha256.by_file_name() if sha256 else {}
    unreachable = False
    for place in places:
        try:
            content = dict(_fetch_all(place, expected))
        except (InputError, NetworkError, OSError) as error:
            unreachable |= isinstance(error, NetworkError)
            print(f"not from {place}: {error}", flush=True)
        else:
            print(f"from {place}", flush=True)
            return IdxFiles(content, {name: _sha256(file) for name, file in content.items()})
    message = (
        "No place has the data. Put the four files "
        + ", ".join(f"{name}.gz" for name in FILE_NAMES)
        + " into the folder that ingest.path in params.yaml names, and run: dvc repro"
    )
    raise NetworkError(message) if unreachable else InputError(message)


def _fetch_all(place: Place, expected: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    for name in FILE_NAMES:
        content = unpack(place.fetch(name), name=name, max_bytes=MAX_BYTES)
        found = _sha256(content)
        if name in expected and found != expected[name]:
            raise InputError(
                f"{name} has the SHA-256 {found}; ingest.sha256 in params.yaml says"
                f" {expected[name]}"
            )
        yield name, content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
