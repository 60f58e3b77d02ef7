"""A sweep as a Prefect flow: the deployment `sweep/search` of prefect.yaml, for unattended ones."""

from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.parameters import FlowParameters, name_scheduler
from tasks.core.parameters import load_section
from workspace.sweep import run_sweep


@flow(name="sweep", retries=0, persist_result=False)
def sweep() -> None:
    """Searches as params.yaml says, from where an earlier search of the same kind was."""
    name_scheduler(load_section("flow", FlowParameters).scheduler)
    lines: list[str] = []
    log = get_run_logger()

    def on_line(line: str) -> None:
        log.info(line)
        lines.append(line)

    run_sweep(Path.cwd(), on_line=on_line)
    create_markdown_artifact(
        lines[-1],
        key="sweep",
        description="What was tried, and what is best on the validation split",
    )
