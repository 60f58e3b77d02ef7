"""The table of faults, from the results of a run of their tests.

    python -m tests.faults.table RESULTS.xml ...

reads what `pytest --junit-xml` wrote and prints Markdown. Of a test that is in several of these
files, the last result counts; of those that are in none, the page says so.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

HEAD = """\
# Faults

`make test-faults` injects each fault for real into the real pipeline, on the small data set in
`tests/fixtures`, and writes this page.

| fault | promise | result |
|---|---|---|"""

TAIL = """\

A test that is skipped says why: mounts and namespaces need Linux that lets its users make them, the
other clock needs a C compiler.

## What doesn't hold

- DVC alone doesn't notice an object that rotted in its cache: it checks it out and says “up to
  date”. `make repro` and `pipeline verify` read every byte again, and say how to mend it; the flow
  does so once `flow.verify_hours` have passed since somebody did, and else reads what it changed.
- A kill in the instant in which DVC writes its list of busy paths (`.dvc/tmp/rwlock`) leaves it
  empty, and a plain `dvc repro` then refuses to run. `make repro` and the flow heal it, as does
  `pipeline heal`.
- DVC takes a killed process for alive until its parent has noticed its end, and names it as the
  holder for that moment. A second run completes.
- `dvc pull` trusts a remote unless it is told not to: `dvc config remote.NAME.verify true`. It then
  names the path that it couldn't get, but no hashes. A damaged object on a remote is never
  replaced: delete it there, then `dvc push`.
- What an npz file of one's own should hold is recorded nowhere: the checksums inside it notice
  damage, and no hash is told.
- After `kill -9` of a worker, the flow that it had started goes on to its end, or until its next
  line of output has no reader; it holds the workspace as long as it lives.
- After `kill -9` of a flow that had started a temporary Prefect server, that server stays. It holds
  memory, and harms no later run.
- When Prefect's server goes away, the stage at work finishes and is recorded; the flow ends with a
  failure once Prefect's client has given up (`PREFECT_CLIENT_MAX_RETRIES`). The next run goes on.

## Fuzzing

`python -m tests.faults.fuzz NAME SECONDS tests/faults/seeds/NAME`, NAME being `idx` or `image`,
changes the inputs that lie there, keeps what reaches new code, and ends at an input that is neither
read nor refused. It needs `pip install atheris`; `make test-faults` runs it for a minute where that
is installed. The properties of the IDX reader, the parameters, the split and the gate are tested by
Hypothesis, in `make test`.
"""


Cases = dict[tuple[str, str], ElementTree.Element]


def last_results(results: list[ElementTree.Element]) -> Cases:
    """Module and name of a test → its last result."""
    return {
        (case.get("classname", ""), case.get("name", "")): case
        for result in results
        for case in result.iter("testcase")
    }


def list_tests() -> list[tuple[str, str]]:
    """Module and name of every test that injects a fault."""
    command = ["pytest", "tests/faults", "-m", "faults", "--collect-only", "-q"]
    completed = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split("::", 1) for line in completed.stdout.splitlines() if "::" in line]
    return [(path.removesuffix(".py").replace("/", "."), name) for path, name in found]


def rows(cases_by_test: Cases) -> Iterator[str]:
    """One row of Markdown per fault, in the order of the tests."""
    faults: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in cases_by_test.values():
        properties = properties_of(case)
        if "fault" in properties:
            key = (properties["fault"], properties["promise"])
            faults.setdefault(key, []).append(case)
    for (fault, promise), cases in faults.items():
        yield f"| {fault} | {promise} | {describe(cases)} |"


def describe(cases: list[ElementTree.Element]) -> str:
    """How many tests passed, which failed, which were skipped and why, and what they recorded."""
    skipped = [case for case in cases if case.find("skipped") is not None]
    failed = [
        case for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    passed = len(cases) - len(skipped) - len(failed)
    parts = [f"**{passed} of {len(cases)} tests pass**"]
    parts += [f"failed: {name_of(case)}" for case in failed]
    parts += [f"skipped: {name_of(case)} ({reason_of(case)})" for case in skipped]
    parts += [properties_of(case)["result"] for case in cases if "result" in properties_of(case)]
    return "; ".join(parts)


def properties_of(case: ElementTree.Element) -> dict[str, str]:
    return {found.get("name", ""): found.get("value", "") for found in case.iter("property")}


def name_of(case: ElementTree.Element) -> str:
    return case.get("name", "").removeprefix("test_").replace("_", " ")


def reason_of(case: ElementTree.Element) -> str:
    skipped = case.find("skipped")
    return "" if skipped is None else skipped.get("message", "")


def main() -> None:
    print(HEAD)
    found = last_results([ElementTree.parse(Path(name)).getroot() for name in sys.argv[1:]])
    tests = list_tests()
    print("\n".join(rows({test: found[test] for test in tests if test in found})))
    if missing := [name for module, name in tests if (module, name) not in found]:
        print(f"\n**Not run for this page**: {', '.join(missing)}.")
    print(TAIL, end="")


if __name__ == "__main__":
    main()
