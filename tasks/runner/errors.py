"""The errors that a person can do something about; a stage prints them without a traceback."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class InputError(Exception):
    """What was given can't be used. The message says what was received and what was expected."""


class NetworkError(Exception):
    """A place on the network didn't answer: a second try may succeed."""


def name_some(names: Sequence[str], *, most: int = 5, separator: str = ", ") -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


@contextmanager
def naming_store(address: str, *, hint: str = "") -> Iterator[None]:
    """Turns what an object store's library raises, which is whatever it likes, into a line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"There is nothing at {address}. Expected a folder or a file. Mend the address{hint}"
        ) from None
    except Exception as error:  # noqa: BLE001
        # Libraries of stores share nothing but the names of what they raise without an answer.
        if "Connect" in type(error).__name__ or "Timeout" in type(error).__name__:
            raise NetworkError(f"{address} can't be reached: {error}") from None
        raise InputError(
            f"{address} can't be read: {error}. Set what its library needs, such as"
            " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
        ) from None
