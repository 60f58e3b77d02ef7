"""Prefect's server goes away while a flow is at work, or the flow's own server is left behind."""

import signal
import time
from pathlib import Path

import pytest

from tests.faults.rig import (
    Reference,
    digest_files,
    kill,
    processes_in,
    require_readable_lock,
    require_sound_cache,
    run,
    serve_prefect,
    start,
)

pytestmark = pytest.mark.faults(
    "Prefect's server gone in the middle of a run; the flow killed that had started its own server",
    "the stage finishes, nothing is torn, the flow ends non-zero, the next run goes on; after"
    " `kill -9` of the flow its temporary server stays, and harms nothing",
)


@pytest.mark.long
def test_the_stage_finishes_without_the_server(
    finished: Path, reference: Reference, tmp_path: Path
) -> None:
    (finished / "dvc.lock").unlink()
    home = tmp_path / "prefect"
    home.mkdir()
    with (
        serve_prefect(home) as api,
        # Otherwise the client knocks for minutes at the server that has gone.
        start(
            "cli", "run", root=finished, PREFECT_API_URL=api, PREFECT_CLIENT_MAX_RETRIES="1"
        ) as process,
    ):
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Task run 'report' - Running stage" in line:
                for pid in processes_in(home):
                    kill(pid, signal.SIGKILL)
        status = process.wait(timeout=300)
    print("".join(lines)[-3000:])
    assert status != 0
    require_readable_lock(finished)
    require_sound_cache(finished)
    run("dvc", "repro", root=finished)
    assert digest_files(finished) == reference.files


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_flow_that_is_asked_to_end_leaves_nothing_behind(
    finished: Path, number: signal.Signals
) -> None:
    assert strike_flow(finished, number) == []


@pytest.mark.long
def test_a_killed_flow_leaves_its_server_alone_behind(finished: Path) -> None:
    """Prefect's temporary server doesn't notice that the flow was killed; it harms no later run."""
    for command in strike_flow(finished, signal.SIGKILL):
        assert "prefect.server.api.server:create_app" in command
    run("dvc", "repro", root=finished)


def strike_flow(root: Path, number: signal.Signals) -> list[str]:
    """Sends a signal to a flow with its own server; the commands of what is left after a while."""
    with start("cli", "run", root=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Beginning flow run" in line:
                break
        process.send_signal(number)
        process.wait()
        deadline = time.monotonic() + 20
        while processes_in(root) and time.monotonic() < deadline:
            time.sleep(0.1)
        return list(processes_in(root).values())
