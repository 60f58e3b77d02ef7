"""The champion, by hand.

pipeline champion show
pipeline champion promote --because "REASON"   # what waits; else the candidate, whatever the gate
pipeline champion decline --because "REASON"   # what waits is not to be the champion
pipeline champion rollback --because "REASON"  # to the one before, or --to VERSION
pipeline champion register                     # Git tags by GTO's convention
"""

import argparse
import getpass
from collections.abc import Iterator
from pathlib import Path

from tasks.core import paths
from tasks.core.parameters import load_section
from tasks.evaluate.metrics import read_earlier
from tasks.models.parameters import GateParameters
from tasks.models.store import (
    CHAMPIONS,
    Event,
    Record,
    decline,
    read_record,
    roll_back,
    verify_store,
)
from tasks.runner.errors import InputError
from workspace.archive import ARCHIVE
from workspace.git import can_git
from workspace.registry import read_stage


def describe_champion(record: Record, folder: Path = CHAMPIONS) -> Iterator[str]:
    """The champion, what waits, the versions one can go back to, and what happened, in lines."""
    if record.current is None:
        yield "There is no champion yet. The first: pipeline gate"
    else:
        yield f"champion  {record.current}  {folder / record.current}"
        try:
            verify_store(folder)
            if metrics := read_earlier(folder / record.current / paths.EVALUATION.name):
                low, high = metrics.accuracy_interval
                accuracy = f"{metrics.accuracy:.4f} [{low:.4f}, {high:.4f}]"
                yield f"accuracy  {accuracy} when it was promoted"
        except InputError as error:
            yield str(error)
    if record.pending:
        yield f"waits     {record.pending.version} since {record.pending.time}, to be promoted or"
        yield f"          declined: {record.pending.reason}"
    for version, why in record.withdrawn.items():
        yield f"withdrawn {version}  {why}"
    for event in record.events:
        replaced = f" for {event.replaced}" if event.replaced else ""
        yield f"{event.time}  {event.what} {event.version}{replaced} by {event.by}: {event.reason}"


def show() -> None:
    """Prints the champion and its history."""
    print("\n".join(describe_champion(record := read_record())))
    root = Path.cwd()
    registered = read_stage(root) if can_git("rev-parse", "--git-dir", root=root) else None
    if registered not in (None, record.current):
        print(
            f"registry  still hands out {registered} as the champion. To follow:"
            " pipeline champion register"
        )


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="pipeline champion", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    commands.add_parser("show", help="the champion and its history")
    commands.add_parser("register", help="tag the champion's commit")
    for name, help_, option in (
        ("promote", "make what waits, else the candidate, the champion", "--version"),
        ("decline", "let what waits wait no longer", "--version"),
        ("rollback", "go back to an earlier champion", "--to"),
    ):
        command = commands.add_parser(name, help=help_)
        command.add_argument("--because", required=True, type=_reason, metavar="REASON")
        command.add_argument(option, metavar="VERSION", dest="version")
    return parser.parse_args()


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a reason is expected")
    return text.strip()


def change(command: str, because: str, *, by: str, version: str | None = None) -> str:
    """Promotes, declines or rolls back; renews the overview.

    Args:
        command: promote, decline or rollback.
        version: to be promoted or declined, or to go back to; None where there is no choice.

    Returns:
        What was done.

    Raises:
        InputError: it can't be done; see tasks/models/store.py.

    """
    from tasks.models.decide import now, promote_by_person

    if command == "promote":
        limits = load_section("gate", GateParameters)
        done = promote_by_person(limits, because=because, by=by, version=version)
    elif command == "rollback":
        record = roll_back(version, reason=because, by=by, time=now())
        done = f"**Rolled back**: {record.current} is the champion again"
    else:
        version = version or read_record().waiting
        if version is None:
            raise InputError("No model waits for a decision. See: pipeline champion show")
        decline(Event("declined", version, None, now(), by, because))
        done = f"**Declined**: {version}, by {by}: {because}"
    if ARCHIVE.is_dir():
        from workspace.overview import write_overview  # draws pictures

        write_overview()
    return done


def main() -> None:
    """Runs one command."""
    arguments = parse_arguments()
    if arguments.command == "register":
        from workspace.registry import register_champion

        for line in register_champion(Path.cwd()):
            print(line)
        return
    if arguments.command != "show":
        by = getpass.getuser()
        print(change(arguments.command, arguments.because, by=by, version=arguments.version))
    show()
