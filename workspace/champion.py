"""The champion, by hand.

pipeline champion show
pipeline champion promote --because "REASON"   # also against the gate
pipeline champion rollback --because "REASON"  # to the one before, or --to VERSION
pipeline champion register                     # Git tags by GTO's convention
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from tasks.core import paths
from tasks.core.parameters import load_section
from tasks.evaluate.metrics import read_metrics
from tasks.models.parameters import GateParameters
from tasks.models.store import (
    CHAMPIONS,
    Record,
    find_predecessor,
    read_record,
    roll_back,
    verify_store,
)
from tasks.runner.errors import InputError
from tasks.runner.lock import hold_run
from workspace.registry import read_stage


def describe_champion(record: Record, folder: Path = CHAMPIONS) -> Iterator[str]:
    """The champion, the versions one can go back to, and what happened, in lines."""
    if record.current is None:
        yield "There is no champion yet. The first: pipeline gate"
        return
    yield f"champion  {record.current}  {folder / record.current}"
    try:
        verify_store(folder)
        metrics = read_metrics(folder / record.current / paths.EVALUATION.name)
        low, high = metrics.accuracy_interval
        yield f"accuracy  {metrics.accuracy:.4f} [{low:.4f}, {high:.4f}] when it was promoted"
    except InputError as error:
        yield str(error)
    for version, why in record.withdrawn.items():
        yield f"withdrawn {version}  {why}"
    for event in record.events:
        replaced = f" for {event.replaced}" if event.replaced else ""
        yield f"{event.time}  {event.what} {event.version}{replaced}: {event.reason}"


def show(arguments: argparse.Namespace) -> None:
    """Prints the champion and its history."""
    print("\n".join(describe_champion(record := read_record())))
    registered = read_stage(Path.cwd()) if Path(".git").exists() else None
    if registered not in (None, record.current):
        print(
            f"registry  still hands out {registered} as the champion. To follow:"
            " pipeline champion register"
        )


def promote(arguments: argparse.Namespace) -> None:
    """Promotes the candidate whatever the gate says, with the reason on record."""
    from tasks.models.decide import run_gate
    from tasks.models.gate import to_markdown

    limits = load_section("gate", GateParameters)
    with hold_run("a promotion"):
        print(to_markdown(run_gate(limits, because=arguments.because)))
    show(arguments)


def rollback(arguments: argparse.Namespace) -> None:
    """Goes back to an earlier champion."""
    from tasks.models.decide import now

    with hold_run("a rollback"):
        version = arguments.to or find_predecessor()
        roll_back(version, reason=arguments.because, time=now())
    show(arguments)


def register(arguments: argparse.Namespace) -> None:
    """Tags the commit of the champion."""
    from workspace.registry import register_champion

    print("\n".join(register_champion(Path.cwd())))


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="pipeline champion", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("show", help="the champion and its history").set_defaults(run=show)
    promotion = commands.add_parser("promote", help="make the candidate the champion")
    promotion.add_argument("--because", required=True, type=_reason, metavar="REASON")
    promotion.set_defaults(run=promote)
    return_ = commands.add_parser("rollback", help="go back to an earlier champion")
    return_.add_argument("--because", required=True, type=_reason, metavar="REASON")
    return_.add_argument("--to", metavar="VERSION")
    return_.set_defaults(run=rollback)
    commands.add_parser("register", help="tag the champion's commit").set_defaults(run=register)
    return parser.parse_args()


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a reason is expected")
    return text.strip()


def main() -> None:
    """Runs one command."""
    arguments = parse_arguments()
    arguments.run(arguments)
