"""Proposes a parameters file for a folder or file of labelled images, for a person to review.

    python -m tasks.propose PATH OUTPUT

PATH is a folder with a folder per class, a folder with a table (.csv, .parquet) or such a table, a
folder with the four IDX files, or an npz file. OUTPUT is a new file; once it has been read, it can
take the place of params.yaml.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from pydantic import TypeAdapter

from tasks.core.dataset import ImageSplit, SplitName, load_split, save_splits
from tasks.core.files import write_text
from tasks.core.parameters import PARAMETERS_PATH, DataParameters, load_section
from tasks.ingest.collect import collect
from tasks.ingest.parameters import IngestParameters
from tasks.ingest.read import read_source
from tasks.propose.limits import propose_gate, propose_limits, propose_recipe
from tasks.propose.sections import replace_sections, replace_values, values_of
from tasks.propose.source import arrange_with_some_seed, describe_counts, describe_source
from tasks.runner.errors import InputError
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import describe, is_critical, validate


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tasks.propose")
    parser.add_argument("path", type=Path, metavar="PATH", help="labelled images")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file that is written")
    arguments = parser.parse_args()
    try:
        propose(arguments.path, arguments.output)
    except InputError as error:
        sys.exit(str(error))


def propose(path: Path, output: Path) -> None:
    """Describes the source, ingests it, measures it, and writes what it passes."""
    if output.exists():
        raise InputError(f"{output} is there already; name a file that isn't")
    template = PARAMETERS_PATH.read_text(encoding="utf-8")
    sections = describe_source(path)
    data = DataParameters.model_validate(values_of(sections["data"]))
    ingest = TypeAdapter(IngestParameters).validate_python(values_of(sections["ingest"]))
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        folder = Path(temporary)
        source = read_source(ingest, data)
        collection = collect(source, data=data, spool=folder / "pixels")
        selections, faults, seed = arrange_with_some_seed(collection, source, classes=data.classes)
        save_splits(folder / "raw", selections, source.origin)
        splits: dict[SplitName, ImageSplit] = {
            name: load_split(name, folder / "raw") for name in selections
        }
        num_read = len(collection.names) + len(collection.faults)
        sections = describe_counts(sections, splits, num_faults=len(faults), num_read=num_read)
        if seed is not None:
            sections["ingest"]["test_seed"] = (seed, "gives another choice")
        sections["validate"] = propose_limits(splits, classes=data.classes)
        text = replace_sections(template, sections)
        text = replace_values(text, "train", propose_recipe(splits["train"].labels))
        write_text(output, replace_values(text, "gate", propose_gate()))
        check(output, splits)
    for fault in faults:
        print(f"left out: {fault.error}")
    print(f"{output} is a proposal that the images pass. Read it, then: cp {output} params.yaml")


def check(output: Path, splits: dict[SplitName, ImageSplit]) -> None:
    """Makes sure that the images pass what is proposed.

    Raises:
        InputError: they can't pass any limits, because a class has no images in one of the splits.

    """
    data: DataParameters = load_section("data", DataParameters, output)
    limits: ValidateParameters = load_section("validate", ValidateParameters, output)
    _, findings = validate(splits, data=data, limits=limits)
    broken = [describe(finding) for finding in findings if is_critical(finding)]
    if broken:
        raise InputError("\n".join([f"{output} is a start, but the images don't pass:", *broken]))


if __name__ == "__main__":
    main()
