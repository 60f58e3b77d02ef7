"""What would run, and why, before anything runs.

pipeline plan
"""

from collections.abc import Iterator
from pathlib import Path

from workspace.check import check
from workspace.graph import Stage, read_stages


def describe_plan(stages: list[Stage]) -> Iterator[str]:
    """One line per stage, in order, and one indented line per reason, those from upstream too."""
    width = max(len(stage.name) for stage in stages)
    would_run: set[str] = set()
    for stage in stages:
        upstream = [name for name in stage.upstream if name in would_run]
        if stage.reasons or upstream:
            would_run.add(stage.name)
        yield f"{stage.name:{width}}  {'would run' if stage.name in would_run else 'is up to date'}"
        yield from (f"{'':{width}}    {reason}" for reason in stage.reasons)
        yield from (
            f"{'':{width}}    the stage {name}, whose output it reads, would run"
            for name in upstream
        )


def main() -> None:
    """Checks the parameters, reads DVC's status, prints the plan."""
    check()
    print("\n".join(describe_plan(read_stages(Path.cwd()))))
