"""Unattended runs on a real server with a real worker: `pipeline serve` in a workspace."""

import getpass
import gzip
import json
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import httpx
import pandas as pd
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectHTTPStatusError
from ruamel.yaml import YAML

from flows.runs import end_dead, require_own
from tasks.models.store import CHAMPIONS, Record, read_record
from tasks.runner.errors import InputError
from tasks.runner.lock import LOCK_FOLDER, hold_run
from tests.browser import browsing, needs_chromium
from tests.conftest import read_small_parameters, write_parameters
from tests.faults.rig import Reference, kill, processes_in, run
from tests.flows.service import Service, prepare_service, serving
from tests.ports import free_port

STAGES = ["ingest", "validate", "prepare", "train", "evaluate", "report"]


@pytest.fixture(scope="module")
def messages() -> Iterator[tuple[str, list[str]]]:
    """The address of a web server, and what it was sent."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(content)["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()


@pytest.fixture(scope="module")
def parameters(messages: tuple[str, list[str]]) -> dict:
    """Runs every minute, tells of failures."""
    found = read_small_parameters()
    found["flow"] |= {"cron": "* * * * *", "timezone": "Asia/Tokyo", "webhook": "env:HOOK"}
    return found


@pytest.fixture(scope="module")
def service(
    reference: Reference,
    tmp_path_factory: pytest.TempPathFactory,
    messages: tuple[str, list[str]],
    parameters: dict,
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("serve")
    root = prepare_service(reference.root, folder / "workspace", parameters)
    for key, value in (("user.name", "Test"), ("user.email", "test@example.invalid")):
        subprocess.run(["git", "config", key, value], cwd=root, check=True)
    run("dvc", "remote", "add", "storage", str(folder / "storage"), root=root)
    run("dvc", "remote", "modify", "storage", "verify", "true", root=root)
    with serving(root, free_port(), HOOK=messages[0]) as client:
        yield Service(root, client, messages[1])


@pytest.fixture(scope="module")
def scheduled_run(service: Service) -> FlowRun:
    """The first run that the schedule starts; no other follows it."""
    found = service.await_scheduled_run()
    service.set_schedule(active=False)
    return found


@pytest.fixture(scope="module")
def run_on_new_images(service: Service, scheduled_run: FlowRun, parameters: dict) -> FlowRun:
    """The next run that the schedule starts, after the source folder got other images."""
    remove_training_image(service.root)
    parameters["data"] |= {"train_images": None}
    parameters["gate"] |= {"min_accuracy": 0.01, "min_recall": 0.0, "max_calibration_error": 1.0}
    handed_on = parameters["flow"] | {
        "push_to": "storage",
        "commit_to": "results",
        "sync_to": str(service.root.parent / "runs"),
    }
    write_parameters(service.root, parameters | {"flow": handed_on})
    service.set_schedule(active=True)
    found = service.await_scheduled_run()
    service.set_schedule(active=False)
    write_parameters(service.root, parameters)
    return found


@pytest.fixture(scope="module")
def undisturbed_lock(service: Service, run_on_new_images: FlowRun) -> bytes:
    """What the run on the new images left."""
    return (service.root / "dvc.lock").read_bytes()


@pytest.fixture(scope="module")
def training(service: Service, undisturbed_lock: bytes, parameters: dict) -> UUID:
    """A run that trains until it is ended."""
    return service.start_training(parameters)


def test_the_start_is_told_to_the_webhook(service: Service) -> None:
    assert service.await_message("^The pipeline's service has started.$")


def test_a_scheduled_run_does_nothing_when_nothing_changed(
    service: Service, scheduled_run: FlowRun
) -> None:
    schedule = service.deployment.schedules[0].schedule
    assert (schedule.cron, schedule.timezone) == ("* * * * *", "Asia/Tokyo")
    assert scheduled_run.state_name == "Completed"
    assert service.outcomes(scheduled_run.id) == dict.fromkeys(STAGES, "Unchanged") | {
        "gate": "Rejected"  # one epoch on 400 images makes no good model
    }


def test_new_images_in_the_source_folder_make_the_next_scheduled_run_work(
    service: Service, run_on_new_images: FlowRun
) -> None:
    assert run_on_new_images.state_name == "Completed"
    assert service.outcomes(run_on_new_images.id) == dict.fromkeys(STAGES, "Ran") | {
        "gate": "Accepted",
        "publish": "Completed",
        "sync": "Completed",
    }


def test_the_interface_shows_what_was_done_and_how_good_the_model_is(
    service: Service, run_on_new_images: FlowRun
) -> None:
    artifacts = service.artifacts(run_on_new_images.id)
    summary = artifacts["pipeline-summary"].data
    assert re.findall(r"^\| (\w+) \| ran \| \d+\.\d \|$", summary, re.MULTILINE) == STAGES
    assert "**Accepted**: " in summary
    assert re.search(r"Accuracy \*\*\d+\.\d\d%\*\* on 100 test images", summary)
    assert "baseline" in summary
    assert artifacts["progress"].data == 100
    link = re.search(
        r"\((http://127\.0\.0\.1:\d+)(/\S+/report\.html)\)", artifacts["pipeline-report"].data
    )
    assert link
    assert "<title>Fashion-MNIST" in httpx.get(link[1] + link[2]).text
    assert link[2].removeprefix("/") in httpx.get(link[1]).text


@needs_chromium
def test_a_browser_gets_from_a_run_in_prefects_interface_to_its_report(
    service: Service, run_on_new_images: FlowRun
) -> None:
    """The link opens a page of its own, without a script."""
    with browsing() as browser:
        page = browser.new_page()
        page.goto(service.page(f"runs/flow-run/{run_on_new_images.id}"))
        page.get_by_text("Artifacts", exact=True).last.click()
        page.get_by_text("pipeline-report").click()
        with page.context.expect_page() as opening:
            page.get_by_role("link", name="reports/report.html").click()
        report = opening.value
        assert report.title().startswith("Fashion-MNIST")
        assert re.search(r"^http://127\.0\.0\.1:\d+/\S+/report\.html$", report.url)
        assert report.locator("#confusion svg").first.is_visible()
        assert report.locator("script").count() == 0


def test_a_new_champion_is_told_of(service: Service, run_on_new_images: FlowRun) -> None:
    assert service.await_message("^New champion: [0-9a-f]{12} accepted: ")


def test_a_run_hands_its_results_on_where_it_is_asked_to(
    service: Service, undisturbed_lock: bytes
) -> None:
    command = ["git", "show", "results:dvc.lock"]
    committed = subprocess.run(command, cwd=service.root, check=True, capture_output=True).stdout
    assert committed == undisturbed_lock
    storage = service.root.parent / "storage" / "files" / "md5"
    pushed = {path.parent.name + path.name for path in storage.glob("??/*")}
    stages = YAML(typ="safe").load(committed)["stages"].values()
    outputs = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    for path in ("data/raw", "data/prepared", "models/candidate/classifier.tflite"):
        assert outputs[path] in pushed
    runs = service.root.parent / "runs"
    report = max(runs.glob("*/report.html"))
    assert f"{report.parent.name}/report.html" in (runs / "index.html").read_text("utf-8")


def test_images_are_classified_by_the_champion_when_asked(
    service: Service, undisturbed_lock: bytes
) -> None:
    deployment = service.client.read_deployment_by_name("predict/batch")
    table = service.root / "predictions" / "incoming.parquet"
    images = service.root / "data" / "source" / "t10k-images-idx3-ubyte.gz"
    classified = service.client.create_flow_run_from_deployment(
        deployment.id, parameters={"images": str(images)}
    )
    assert service.finish_run(classified.id).state_name == "Completed"
    champion = json.loads((service.root / "models" / "champion" / "champion.json").read_text())
    assert set(pd.read_parquet(table)["model"]) == {champion["current"]}


def test_a_second_run_and_a_person_are_turned_away_while_one_is_at_work(
    service: Service, training: UUID
) -> None:
    assert service.finish_run(service.start_run()).state_name == "Cancelled"
    by_hand = run("dvc", "repro", root=service.root, check=False)
    assert by_hand.returncode != 0
    assert re.search(r"the Prefect flow pipeline \(process \d+|blocked by", by_hand.stdout)
    assert service.client.read_flow_run(training).state_name == "Running"


def test_cancelling_ends_every_process_of_the_run(service: Service, training: UUID) -> None:
    assert service.cancel(training).state_name == "Cancelled"
    service.await_no_work()


def test_a_killed_run_is_told_of_and_the_next_one_completes_the_work(
    service: Service, undisturbed_lock: bytes, parameters: dict
) -> None:
    killed = service.start_training(parameters)
    for process, command in processes_in(service.root).items():
        if "prefect.flow_engine" in command or "prefect.engine" in command:
            kill(process, signal.SIGKILL)
    assert service.finish_run(killed).state_name == "Crashed"
    service.await_no_work()
    assert "Crashed" in service.await_message(f"/runs/flow-run/{killed}")

    # It has to do the work, and not to look it up.
    shutil.rmtree(service.root / ".dvc" / "cache")
    completed = service.finish_run(service.start_run())
    assert completed.state_name == "Completed"
    assert service.outcomes(completed.id)["train"] == "Ran"
    assert (service.root / "dvc.lock").read_bytes() == undisturbed_lock


def test_a_second_workspace_is_turned_away_from_a_server_that_serves_the_first(
    service: Service, tmp_path: Path, prefect_api: str
) -> None:
    with pytest.raises(InputError, match="already serves"):
        require_own(service.client, tmp_path)
    with SyncPrefectClient(prefect_api) as unused:
        require_own(unused, tmp_path)


def test_a_stopped_process_is_no_dead_run(
    service: Service, undisturbed_lock: bytes, parameters: dict
) -> None:
    """As on a machine that was suspended: silence isn't death."""
    training = service.start_training(parameters)
    stopped = {pid for pid, command in processes_in(service.root).items() if "engine" in command}
    for process in stopped:
        kill(process, signal.SIGSTOP)
    try:
        assert list(end_dead(service.client)) == []
    finally:
        for process in stopped:
            kill(process, signal.SIGCONT)
    assert service.client.read_flow_run(training).state_name == "Running"
    service.cancel(training)
    service.await_no_work()


@needs_chromium
def test_an_accepted_model_waits_until_a_person_decides_in_prefect(
    service: Service, undisturbed_lock: bytes, parameters: dict
) -> None:
    def record() -> Record:
        return read_record(service.root / CHAMPIONS)

    def decide(what: str, **chosen: str) -> FlowRun:
        deployment = service.client.read_deployment_by_name(f"champion/{what}")
        created = service.client.create_flow_run_from_deployment(deployment.id, parameters=chosen)
        return service.finish_run(created.id)

    def decide_in_browser(what: str, *, reason: str) -> FlowRun:
        deployment = service.client.read_deployment_by_name(f"champion/{what}")
        with browsing() as browser:
            page = browser.new_page()
            page.goto(service.page(f"deployments/deployment/{deployment.id}/run"))
            page.locator("textarea").fill(reason)
            page.get_by_role("button", name="Submit").click()
            page.wait_for_url(re.compile(rf"{deployment.id}(\?|$)"))
        (created,) = service.client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=1,
        )
        return service.finish_run(created.id)

    first = record().current
    asks = {"promotes": "after_approval", "accepts": "not_worse", "margin": 0.9, "max_f1_loss": 1.0}
    seed = parameters["train"] | {"seed": 1}
    write_parameters(service.root, parameters | {"gate": parameters["gate"] | asks, "train": seed})
    judged = service.start_run()
    assert service.finish_run(judged).state_name == "Completed"
    assert service.outcomes(judged)["gate"] == "Pending"
    assert "to be the champion?" in service.artifacts(judged)["gate-verdict"].data
    pending = record().pending
    assert pending is not None
    assert record().current == first
    told = service.await_message(f"^Somebody is waited for.*{pending.version}")
    assert re.search(r"Report: http://127\.0\.0\.1:\d+/\S+/report\.html ", told)
    overview = (service.root / "archive" / "index.html").read_text("utf-8")
    assert f"is {pending.version} to be the champion?" in overview

    with pytest.raises(PrefectHTTPStatusError, match="reason"):
        decide("promote", reason="")
    assert decide("decline", reason="?", version="0" * 12).state_name == "Failed"
    assert record().pending == pending
    with hold_run("a run that is at work", service.root / LOCK_FOLDER):
        promoted = decide_in_browser("promote", reason="the report looks good")
    assert promoted.state_name == "Completed"
    assert (record().current, record().pending) == (pending.version, None)
    event = record().events[-1]
    assert event.reason.startswith("the report looks good (accepted: ")
    assert event.by == f"{getpass.getuser()}, in Prefect's run {promoted.name}"
    assert decide("rollback", reason="it calls bags shirts").state_name == "Completed"
    assert record().current == first
    assert record().withdrawn == {pending.version: "it calls bags shirts"}

    other = parameters["train"] | {"seed": 2}
    write_parameters(service.root, parameters | {"gate": parameters["gate"] | asks, "train": other})
    assert service.finish_run(service.start_run()).state_name == "Completed"
    waits = record().waiting
    assert waits is not None
    assert decide("decline", reason="no better on bags").state_name == "Completed"
    assert (record().current, record().pending) == (first, None)
    assert record().withdrawn[waits] == "declined: no better on bags"
    assert record().events[-1].by.startswith(f"{getpass.getuser()}, in Prefect's run ")
    write_parameters(service.root, parameters)


def test_a_failure_is_told_with_its_stage_its_cause_and_what_happens_next(
    service: Service, undisturbed_lock: bytes, parameters: dict
) -> None:
    too_strict = parameters["validate"] | {"min_spread": 200.0}
    write_parameters(service.root, parameters | {"validate": too_strict})
    failed = service.start_run()
    assert service.finish_run(failed).state_name == "Failed"
    message = service.await_message(f"/runs/flow-run/{failed}")
    assert "The stage validate has failed" in message
    assert "no blank or constant image" in message
    assert "the next run goes on from there" in message


def test_who_is_told_follows_params_yaml(
    service: Service, undisturbed_lock: bytes, parameters: dict
) -> None:
    assert automations(service) == TOLD
    nobody = parameters["flow"] | {"webhook": None}
    write_parameters(service.root, parameters | {"flow": nobody})
    run("flows.automations", root=service.root, PREFECT_API_URL=str(service.client.api_url))
    assert automations(service) == set()


TOLD = {
    "Tell of failures",
    "Tell of a new champion",
    "Tell of a decision to be made",
    "Tell of a rejection",
    "Tell of drift",
}


def automations(service: Service) -> set[str]:
    """The names of those that are set up."""
    found = service.client.request("POST", "/automations/filter", json={}).json()
    return {automation["name"] for automation in found}


def remove_training_image(root: Path) -> None:
    """Writes the training files of the source folder anew, one image shorter."""
    for name, size in (("images-idx3", 784), ("labels-idx1", 1)):
        path = root / "data" / "source" / f"train-{name}-ubyte.gz"
        content = gzip.decompress(path.read_bytes())
        count = int.from_bytes(content[4:8], "big") - 1
        shorter = content[:4] + count.to_bytes(4, "big") + content[8:-size]
        path.write_bytes(gzip.compress(shorter))
