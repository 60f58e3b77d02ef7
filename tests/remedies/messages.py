"""The messages in the code that tell whoever reads them what to do, and the cases that do it."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import PROJECT

Case = Callable[[Path], Iterator[str]]


def collect(folders: tuple[str, ...], remedy: re.Pattern[str]) -> set[str]:
    """The texts below some folders of the code in which a remedy is, with `…` for each value."""
    found = set()
    for folder in folders:
        for file in (PROJECT / folder).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
            inner = {id(part) for node in nodes for part in _parts_of(node)}
            for node in nodes:
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ask_column":
                    what, option = (ast.literal_eval(node.args[place]) for place in (1, 3))
                    found.add(f"columns that may hold {what} … Name it: {option}")
                elif id(node) not in inner:
                    found.add(_text_of(node))
    return {text for text in found if remedy.search(text) and " " in text}


def _parts_of(node: ast.AST) -> list[ast.AST]:
    """What is no text of its own: documentation, helps, parts of an f-string, arguments."""
    if isinstance(node, ast.Expr):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for part in ast.walk(node) if part is not node]
    if isinstance(node, ast.keyword) and node.arg in ("help", "description"):
        return [node.value]
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("ask_column", "_run"):
        return list(node.args)
    return []


def _text_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


class Cases(dict[str, Case]):
    """Cases by a piece of the message that each brings about, obeys, and doesn't see again."""

    def follows(self, *pieces: str) -> Callable[[Case], Case]:
        """Of messages that have such pieces: the case yields the message, then obeys it."""

        def register(case: Case) -> Case:
            self.update(dict.fromkeys(pieces, case))
            return case

        return register

    def compare(self, texts: set[str], elsewhere: dict[str, str], hints: tuple[str, ...]) -> None:
        """Every message has a case, here or elsewhere; and no case is of the past."""
        known = {*self, *elsewhere, *hints}
        assert {text for text in texts if not any(piece in text for piece in known)} == set()
        assert {piece for piece in known if not any(piece in text for text in texts)} == set()
        for place in elsewhere.values():
            path, _, name = place.partition("::")
            assert f"def {name}" in (PROJECT / path).read_text("utf-8")

    def run(self, case: Case, root: Path) -> None:
        """Brings messages about, and does what they say."""
        steps = case(root)
        seen = next(steps)
        for piece in [piece for piece, own in self.items() if own is case]:
            expected = ".*".join(map(re.escape, piece.split("…")))
            assert re.search(expected, seen, re.DOTALL), seen
        assert next(steps, None) is None
