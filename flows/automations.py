"""What the server does by itself: it has somebody told.

    python -m flows.automations

sets the automations up on the server that PREFECT_API_URL names; `flows/serve.py` does so. Each
runs the deployment tell/webhook (flows/tell.py), so that a message is tried again until it has
arrived, and one that can't be delivered stands among the failed runs.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import get_current_settings

from flows.parameters import FlowParameters
from tasks.core.parameters import load_section

DRIFT = "pipeline.drift"
# The gate's decision → the event of it.
EVENTS = {
    "accepted": "pipeline.new-champion",
    "pending": "pipeline.pending",
    "rejected": "pipeline.rejected",
}

_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
# Not those of `tell`: a message that can't be delivered would cause the next one.
_OWN_FLOWS = ResourceSpecification(
    {
        "prefect.resource.role": "flow",
        "prefect.resource.name": ["pipeline", "predict", "champion", "sweep"],
    }
)
_BROKEN = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
_FAILURE = (
    "{{ flow.name }} / {{ flow_run.name }}: {{ flow_run.state.name }}. {{ flow_run.state.message }}"
    # Prefect knows its filter ui_url only where it calls webhooks itself.
    " {{ UI }}/runs/flow-run/{{ flow_run.id }}"
)
_MESSAGE = "{{ event.payload.message }}"
_PENDING = f"Somebody is waited for, to promote or decline: {_MESSAGE} {{{{ UI }}}}/deployments"
_OWN = (ResourceSpecification({"prefect.resource.id": "pipeline.*"}), ResourceSpecification({}))
# Name → of which resources, related to what, which events, in which words.
_TOLD = {
    "Tell of failures": (_RUNS, _OWN_FLOWS, _BROKEN, _FAILURE),
    "Tell of a new champion": (*_OWN, {EVENTS["accepted"]}, f"New champion: {_MESSAGE}"),
    "Tell of a decision to be made": (*_OWN, {EVENTS["pending"]}, _PENDING),
    "Tell of a rejection": (*_OWN, {EVENTS["rejected"]}, f"Not promoted: {_MESSAGE}"),
    "Tell of drift": (*_OWN, {DRIFT}, f"Drift: {_MESSAGE}"),
}


def set_up_automations(deployment: UUID | None) -> None:
    """Creates the automations anew.

    Args:
        deployment: the one that delivers a message; None tells nobody.

    """
    settings = get_current_settings()
    address = settings.ui_url or str(settings.api.url).removesuffix("/api")
    for name, (resources, related, events, message) in _TOLD.items():
        with suppress(ValueError):  # there is none
            read: Any = Automation.read  # outside an event loop, it returns what it promises in one
            read(name=name).delete()
        if deployment is None:
            continue
        template = {"__prefect_kind": "jinja", "template": message.replace("{{ UI }}", address)}
        Automation(
            name=name,
            trigger=EventTrigger(expect=events, match=resources, match_related=related),
            actions=[  # pyright: ignore[reportArgumentType] - a list of one kind of them
                RunDeployment(
                    source="selected",
                    deployment_id=deployment,
                    job_variables=None,
                    parameters={"message": template},
                )
            ],
        ).create()


def main() -> None:
    """Sets up the automations that params.yaml asks for."""
    if load_section("flow", FlowParameters).webhook is None:
        set_up_automations(None)
        return
    with get_client(sync_client=True) as client:
        set_up_automations(client.read_deployment_by_name("tell/webhook").id)


if __name__ == "__main__":
    main()
