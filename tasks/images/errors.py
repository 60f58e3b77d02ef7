"""Why images can't be used: one line for each, and of what kind, so that kinds can be counted."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.runner.errors import InputError

_SHOWN = 3


@dataclass(eq=False)
class ImageError(InputError):
    """One image can't be used: its kind is the same for all such images, `is damaged`, say."""

    name: str
    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.kind}{self.detail}"


def in_utf8(text: str) -> str:
    """A text that may hold bytes of a file's name that aren't UTF-8, with these escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class Tally:
    """Names by their kind, to be counted, and the first few of each to be told."""

    def __init__(self, found: Iterable[tuple[str, str]] = ()) -> None:
        self._names: defaultdict[str, list[str]] = defaultdict(list)
        for kind, name in found:
            self.add(kind, name)

    @property
    def counts(self) -> dict[str, int]:
        """How many names there are of each kind."""
        return {kind: len(names) for kind, names in self._names.items()}

    def add(self, kind: str, name: str) -> None:
        """Counts a name."""
        self._names[kind].append(name)

    def extend(self, other: "Tally", *, within: str = "") -> None:
        """Counts what another counted, in a folder of this name."""
        for kind, names in other._names.items():
            self._names[kind] += [f"{within}/{name}" if within else name for name in names]

    def describe(self) -> Iterator[str]:
        """A line for each kind, the most frequent first: `hidden: 2 (a/.x, b/.y)`."""
        for kind, names in sorted(self._names.items(), key=lambda item: (-len(item[1]), item[0])):
            more = ", …" if len(names) > _SHOWN else ""
            yield f"{kind}: {len(names):,} ({', '.join(names[:_SHOWN])}{more})"
