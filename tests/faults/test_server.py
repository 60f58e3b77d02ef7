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
    "the stage finishes, nothing is torn, the flow ends non-zero, the next run goes on; no server"
    " outlives its flow",
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
            "flows.pipeline", root=finished, PREFECT_API_URL=api, PREFECT_CLIENT_MAX_RETRIES="1"
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
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_flow(finished: Path, number: signal.Signals) -> None:
    with start("flows.pipeline", root=finished) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Beginning flow run" in line:
                break
        process.send_signal(number)
        process.communicate()
        deadline = time.monotonic() + 20
        while processes_in(finished) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processes_in(finished) == {}
