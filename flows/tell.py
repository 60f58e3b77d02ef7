"""Tells people: one message to the webhook that params.yaml names.

    python -m flows.tell MESSAGE

delivers it now, once. The deployment tell/webhook tries again until the message has arrived; if it
never does, its run has failed, where an operator looks.
"""

import os
import sys
from typing import Any
from urllib.parse import urlsplit

import httpx
from prefect import Task, flow
from prefect.blocks.system import Secret

from flows.parameters import FlowParameters
from tasks.core.parameters import load_section
from tasks.runner.errors import InputError, NetworkError
from tasks.runner.frame import run_framed

_TIMEOUT_SECONDS = 20.0
_TRIES = 7  # each waits twice as long as the one before
_LONGEST = {"text": 10_000, "discord": 2_000, "teams": 6_000}  # letters that each of them takes


@flow(name="tell")
def tell(message: str) -> None:
    """Delivers a message; a place that doesn't answer, or answers with an error, is tried again."""
    parameters: FlowParameters = load_section("flow", FlowParameters)
    Task(
        deliver,
        name="deliver",
        task_run_name="deliver",
        retries=_TRIES - 1,
        retry_delay_seconds=[parameters.retry_delay * 2**n for n in range(_TRIES - 1)],
    )(message)


def deliver(message: str) -> None:
    """Posts a message once.

    Raises:
        InputError: params.yaml names no address that could be used.
        NetworkError: the message didn't arrive. The address, which is a secret, isn't told.

    """
    parameters: FlowParameters = load_section("flow", FlowParameters)
    if parameters.webhook is None:
        raise InputError("flow.webhook in params.yaml is null: there is nobody to tell")
    address = find_address(parameters.webhook)
    try:
        response = httpx.post(
            address,
            json=compose(message, parameters.webhook_format),
            timeout=_TIMEOUT_SECONDS,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NetworkError(
            f"The webhook ({parameters.webhook}) can't be reached: {type(error).__name__}"
        ) from None
    if not response.is_success:
        raise NetworkError(
            f"The webhook ({parameters.webhook}) answered {response.status_code}"
            f" {response.reason_phrase}; expected 200 to 299. The message was not delivered"
        )


def find_address(webhook: str) -> str:
    """The address that `env:VARIABLE` or `secret:BLOCK` holds.

    Raises:
        InputError: there is none.

    """
    kind, name = webhook.split(":", 1)
    if kind == "env":
        address = os.environ.get(name)
        where = f"the environment variable {name}. Set it, and start the service again"
    else:
        address = _read_secret(name)
        where = f"Prefect's secret block {name}. Make it in Prefect's interface, under Blocks"
    if not address or not _is_address(address):
        found = "something else" if address else "nothing"
        raise InputError(
            f"flow.webhook in params.yaml is {webhook}: expected an address (https://…), found"
            f" {found} in {where}"
        )
    return address


def _is_address(text: str) -> bool:
    """Whether a text is an address of the web whose host has a name that hosts can have."""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host)


def _read_secret(name: str) -> str | None:
    load: Any = Secret.load  # outside an event loop, it returns what it promises in one
    try:
        return str(load(name).get())
    except ValueError:
        return None


def compose(message: str, shape: str) -> dict[str, object]:
    """A message as its receiver wants it.

    Args:
        message: of any length.
        shape: text (Slack, Mattermost, Rocket.Chat, Google Chat), discord, or teams (the workflow
            that posts to a channel).

    Source: https://docs.discord.com/developers/resources/webhook,
    https://learn.microsoft.com/connectors/teams, https://api.slack.com/messaging/webhooks.

    """
    longest = _LONGEST[shape]
    text = message if len(message) <= longest else message[: longest - 1] + "…"
    if shape != "teams":
        return {"content" if shape == "discord" else "text": text}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def main() -> None:
    """Delivers the message of the command line, and says so."""
    deliver(" ".join(sys.argv[1:]))
    print("delivered")


if __name__ == "__main__":
    run_framed(main)
