"""How long a command takes until it has said what it has to say, in starts of Python itself.

    python -m benchmarks.startup

prints the table, from the best of five starts each. `plan` and `status` also ask DVC for the state
of the workspace, and `check` reads its parameters.
"""

import subprocess
import sys
import time

COMMANDS = (
    ("--help",),
    ("check",),
    ("plan",),
    ("status",),
    ("champion", "show"),
    ("propose", "--help"),
    ("predict", "--help"),
)
_STARTS = 5


def measure(*arguments: str) -> float:
    """The seconds of the quickest start; what the command says, and its status, don't matter."""
    seconds = []
    for _ in range(_STARTS):
        started = time.monotonic()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
        seconds.append(time.monotonic() - started)
    return min(seconds)


def main() -> None:
    """Measures each command, and prints the table."""
    unit = measure("-c", "pass")
    print(f"| command | starts of Python, {unit * 1000:.0f} ms each |\n|---|---|")
    for command in COMMANDS:
        print(f"| `pipeline {' '.join(command)}` | {measure('-m', 'cli', *command) / unit:.1f} |")


if __name__ == "__main__":
    main()
