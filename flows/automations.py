"""What the server does by itself: ends runs that died, and tells somebody.

    python -m flows.automations

sets them up on the server that PREFECT_API_URL names; `python -m flows.serve` does so.
"""

import json
from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.parameters import FlowParameters
from tasks.core.parameters import load_section

# A run that is alive sends a heartbeat every 30 seconds (prefect.yaml); three may be missed.
_SILENCE = timedelta(seconds=100)
_BLOCK = "pipeline-webhook"
_RUN_ENDED = {
    f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")
}
_RUN_BROKEN = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
NEW_CHAMPION = "pipeline.new-champion"
REJECTED = "pipeline.rejected"
DRIFT = "pipeline.drift"

_FAILURE = (
    "{{ flow.name }} / {{ flow_run.name }}: {{ flow_run.state.name }}. {{ flow_run.state.message }}"
    " {{ flow_run | ui_url }}"
)
# The automations that tell somebody: of which resources, which of their events, in which words.
_TOLD = {
    "Tell of failures": ({"prefect.flow-run.*"}, _RUN_BROKEN, _FAILURE),
    "Tell of a new champion": (
        {"pipeline.*"},
        {NEW_CHAMPION},
        "New champion: {{ event.payload.message }}",
    ),
    "Tell of a rejection": (
        {"pipeline.*"},
        {REJECTED},
        "Not promoted: {{ event.payload.message }}",
    ),
    "Tell of drift": ({"pipeline.*"}, {DRIFT}, "Drift: {{ event.payload.message }}"),
}


def set_up_automations(webhook: str | None) -> None:
    """Creates the automations anew on the server that PREFECT_API_URL names.

    Args:
        webhook: an address that takes a POST of {"text": message}, as Slack's, Mattermost's and
            many others' do; None tells nobody.

    """
    for name in _TOLD:
        _remove(name)
    if webhook is not None:
        block = Webhook(
            url=webhook,  # pyright: ignore[reportArgumentType] - Prefect wraps it
            headers={"Content-Type": "application/json"},  # pyright: ignore[reportArgumentType]
        )
        identifier = block.save(_BLOCK, overwrite=True)
        for name, (resources, events, message) in _TOLD.items():
            _tell(name, identifier, resources, events, message).create()
    _keep(_end_dead_runs())


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
    found = _find(automation.name)
    if found is None or found.trigger != automation.trigger or found.actions != automation.actions:
        _remove(automation.name)
        automation.create()


def _remove(name: str) -> None:
    if found := _find(name):
        found.delete()


def _find(name: str) -> Automation | None:
    read: Any = Automation.read  # outside an event loop, it returns what it promises in one
    try:
        return read(name=name)
    except ValueError:
        return None


def main() -> None:
    """Sets up the automations that params.yaml asks for."""
    set_up_automations(load_section("flow", FlowParameters).webhook)


if __name__ == "__main__":
    main()
