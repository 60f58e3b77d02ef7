"""Places that results are handed on to, a DVC remote or the archive's: what is wrong with them."""

from typing import Any

from tasks.runner.errors import InputError, NetworkError

_PROBE = ".pipeline-was-here"
# What a place that can't be reached raises, by name: the libraries of each kind have their own.
_PASSING = (
    "Timeout",
    "Connect",
    "EndpointConnection",
    "ServerDisconnected",
    "SlowDown",
    "gaierror",
)


def require_writable(system: Any, folder: str, *, place: str, remedy: str) -> None:
    """Writes an empty file into a folder of fsspec's file system, as a trial.

    Args:
        place: what people call it, such as "The DVC remote storage".
        remedy: what to do where it takes nothing.

    Raises:
        InputError: it takes no files, and won't at a second try.
        NetworkError: it can't be reached.

    """
    try:
        if _is_local(system):
            system.makedirs(folder, exist_ok=True)
        system.pipe_file(f"{folder}/{_PROBE}", b"")
    except Exception as error:  # noqa: BLE001 - each kind of place has errors of its own
        raise as_fault(error, place=place, remedy=remedy) from None


def as_fault(error: Exception, *, place: str, remedy: str) -> InputError | NetworkError:
    """Whether a second try may succeed, by the kind of an error and of its causes."""
    kinds = []
    cause: BaseException | None = error
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    text = " ".join(str(error).split()) or kinds[0]
    if any(word in kind for kind in kinds for word in _PASSING):
        return NetworkError(f"{place} can't be reached: {text}")
    return InputError(f"{place} takes no files: {text}. {remedy}")


def _is_local(system: Any) -> bool:
    protocol = system.protocol
    return "local" in ((protocol,) if isinstance(protocol, str) else protocol)
