"""Why images can't be used: one line for each, and of what kind, so that kinds can be counted."""

from collections import Counter
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


class Tally:
    """How many names there are of each kind, and the first few of them."""

    def __init__(self, found: Iterable[tuple[str, str]] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        for kind, name in found:
            self.add(kind, name)

    def add(self, kind: str, name: str) -> None:
        """Counts a name."""
        self.counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _SHOWN:
            examples.append(name)

    def extend(self, other: "Tally", *, within: str = "") -> None:
        """Counts what another counted, in a folder of this name."""
        for kind, examples in other._examples.items():
            for name in examples:
                self.add(kind, f"{within}/{name}" if within else name)
            self.counts[kind] += other.counts[kind] - len(examples)

    def describe(self) -> Iterator[str]:
        """A line for each kind, the most frequent first: `hidden: 2 (a/.x, b/.y)`."""
        for kind, count in sorted(self.counts.items(), key=lambda item: (-item[1], item[0])):
            more = ", …" if count > _SHOWN else ""
            yield f"{kind}: {count:,} ({', '.join(self._examples[kind])}{more})"
