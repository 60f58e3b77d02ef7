"""What the server does by itself: ends runs that died, and tells somebody.

    python -m flows.automations

sets them up on the server that PREFECT_API_URL names; `python -m flows.serve` does so.
"""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from tasks.parameters import load_parameters

# A run that is alive sends a heartbeat every 30 seconds (prefect.yaml); three may be missed.
_SILENCE = timedelta(seconds=100)
_BLOCK = "pipeline-webhook"
_RUN_ENDED = {
    f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")
}
NEW_CHAMPION = "pipeline.new-champion"
REJECTED = "pipeline.rejected"
DRIFT = "pipeline.drift"

_FAILURE = (
    "{{ flow.name }} / {{ flow_run.name }}: {{ flow_run.state.name }}. {{ flow_run.state.message }}"
)
_CHAMPION = "New champion: {{ event.payload.message }}"
_REJECTED = "Not promoted: {{ event.payload.message }}"
_DRIFT = "Drift: {{ event.payload.message }}"


def set_up_automations(webhook: str | None) -> None:
    """Creates the automations anew on the server that PREFECT_API_URL names.

    Args:
        webhook: an address that takes a POST of {"text": message}, as Slack's, Mattermost's and
            many others' do; None tells nobody.

    """
    automations: list[Automation] = []
    if webhook is not None:
        block = Webhook(
            url=webhook,  # pyright: ignore[reportArgumentType] - Prefect wraps it
            headers={"Content-Type": "application/json"},  # pyright: ignore[reportArgumentType]
        )
        identifier = block.save(_BLOCK, overwrite=True)
        automations += [
            _tell("Tell of failures", identifier, {"prefect.flow-run.*"}, _RUN_BROKEN, _FAILURE),
            _tell("Tell of a new champion", identifier, {"pipeline.*"}, {NEW_CHAMPION}, _CHAMPION),
            _tell("Tell of a rejection", identifier, {"pipeline.*"}, {REJECTED}, _REJECTED),
            _tell("Tell of drift", identifier, {"pipeline.*"}, {DRIFT}, _DRIFT),
        ]
    for automation in automations:
        _replace(automation)
    _keep(_end_dead_runs())


_RUN_BROKEN = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}


def _end_dead_runs() -> Automation:
    """A run whose process, worker or machine died sends no heartbeats: it is marked as crashed.

    Source: https://docs.prefect.io/v3/advanced/detect-zombie-flows
    """
    return Automation(
        name="End runs that died",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *_RUN_ENDED},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=_SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                message="Its process is gone. The next run completes the work.",
                force=False,
            )
        ],
    )


def _tell(name: str, block: Any, resources: set[str], events: set[str], message: str) -> Automation:
    return Automation(
        name=name,
        trigger=EventTrigger(
            expect=events,
            match=ResourceSpecification({"prefect.resource.id": sorted(resources)}),
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block, payload=_as_json(message))],
    )


def _as_json(message: str) -> str:
    """A template whose rendered form is JSON, whatever the message holds."""
    text = json.dumps(message)[1:-1]
    return '{"text": {% set message %}' + text + "{% endset %}{{ message | tojson }}}"


def _keep(automation: Automation) -> None:
    """Creates an automation where there is none: one that waits for a heartbeat goes on waiting."""
    read: Any = Automation.read  # outside an event loop, it returns what it promises in one
    try:
        read(name=automation.name)
    except ValueError:
        automation.create()


def _replace(automation: Automation) -> None:
    # Outside an event loop, both return what they promise in one.
    with suppress(ValueError):
        found: Any = Automation.read(name=automation.name)
        found.delete()
    automation.create()


def main() -> None:
    """Sets up the automations that params.yaml asks for."""
    set_up_automations(load_parameters().flow.webhook)


if __name__ == "__main__":
    main()
