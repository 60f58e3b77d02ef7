"""The table of faults, from the results of a run of their tests.

    python -m tests.faults.table RESULTS.xml ...

reads what `pytest --junit-xml` wrote and prints Markdown.
"""

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


def rows(results: list[ElementTree.Element]) -> Iterator[str]:
    """One row of Markdown per fault, in the order of the tests."""
    faults: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in (case for result in results for case in result.iter("testcase")):
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
    results = [ElementTree.parse(Path(name)).getroot() for name in sys.argv[1:]]
    print("\n".join(rows(results)))


if __name__ == "__main__":
    main()
