"""What would run, and why, before anything runs.

pipeline plan
"""

from collections.abc import Iterator
from pathlib import Path

from workspace.check import check
from workspace.graph import Stage, read_stages


def describe_plan(stages: list[Stage]) -> Iterator[str]:
    """One line per stage, in order, and one indented line per reason."""
    width = max(len(stage.name) for stage in stages)
    for stage, reasons in explain(stages):
        yield f"{stage.name:{width}}  {'would run' if reasons else 'is up to date'}"
        yield from (f"{'':{width}}    {reason}" for reason in reasons)


def explain(stages: list[Stage]) -> list[tuple[Stage, tuple[str, ...]]]:
    """Adds to each stage's own reasons those that come from upstream."""
    explained: dict[str, tuple[Stage, tuple[str, ...]]] = {}
    for stage in stages:
        upstream = tuple(
            f"the stage {name}, whose output it reads, would run"
            for name in stage.upstream
            if explained[name][1]
        )
        explained[stage.name] = (stage, stage.reasons + upstream)
    return list(explained.values())


def main() -> None:
    """Checks the parameters, reads DVC's status, prints the plan."""
    root = Path.cwd()
    check()
    print("\n".join(describe_plan(read_stages(root))))
