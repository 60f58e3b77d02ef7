"""Puts generated text into a page, between two marks, so that no figure is typed by hand."""

from pathlib import Path


def fill(page: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- NAME -->` and `<!-- end of NAME -->`."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    content = page.read_text(encoding="utf-8")
    head, found, rest = content.partition(start)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no {start.strip()} … {end}")
    page.write_text(f"{head}{start}{text.rstrip()}\n{end}{tail}", encoding="utf-8")
