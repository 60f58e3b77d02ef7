"""Proposes a parameters file for a folder or file of labelled images, for a person to review.

    python -m tasks.propose PATH OUTPUT

PATH is a folder with a folder per class, a folder with tables (.csv, .tsv, .parquet) or one of
them, a folder with the four IDX files, or an npz file. OUTPUT is a new file, and only written when
every stage up to `prepare` was tried on the images; once it has been read, it can take the place of
params.yaml.
"""

import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from tasks.core import paths
from tasks.core.cost import estimate_memory, estimate_seconds
from tasks.core.dataset import ImageSplit, SplitName, load_split, save_splits
from tasks.core.files import write_text
from tasks.core.parameters import PARAMETERS_PATH, DataParameters, check_section
from tasks.ingest.collect import Fault, arrange, collect, tally
from tasks.ingest.parameters import IngestParameters, require_source_outside_outputs
from tasks.ingest.read import read_source
from tasks.ingest.source import Source
from tasks.prepare.parameters import PrepareParameters
from tasks.prepare.split import split_indices
from tasks.propose.layout import understand
from tasks.propose.limits import propose_gate, propose_limits, propose_recipe
from tasks.propose.options import Options, make_parser, read_options
from tasks.propose.pictures import suggest
from tasks.propose.sections import Section, replace_sections, values_of
from tasks.runner.errors import InputError
from tasks.runner.frame import run_framed
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import describe, is_critical, validate

# Of the images, that a proposal leaves out. Whoever wants to lose more says so in the file.
MAX_FAULTY_SHARE = 0.02
_SHOWN = 12

Splits = dict[SplitName, ImageSplit]


def main() -> None:
    """Reads the command line."""
    arguments = make_parser().parse_args()
    propose(arguments.path, arguments.output, read_options(arguments))


def propose(path: Path, output: Path, options: Options) -> None:
    """Describes the source, tries the stages on it, and writes what it passes."""
    if output.exists():
        raise InputError(f"{output} is there already; name a file that isn't")
    require_source_outside_outputs(str(path), [paths.RAW, paths.PREPARED, paths.CANDIDATE])
    layout = understand(path, options)
    print("\n".join(layout.lines), flush=True)
    sections = {"data": layout.data, "ingest": layout.ingest}
    for name in ("train_images", "test_images"):
        sections["data"][name] = (None, "null takes any number: a source that grows")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".propose-") as temporary:
        splits, ingest, is_given = _ingest(sections, Path(temporary))
        sections["ingest"] |= ingest
        if not layout.grows:
            for name, split in splits.items():
                sections["data"][f"{name}_images"] = (len(split.labels), "that are expected")
        text = _write_sections(sections, splits)
        content = YAML(typ="safe").load(text)
        _try_stages(content, splits)
        write_text(output, text)
        _print(_describe(splits, sections, content["train"], is_given=is_given))
    print(f"{output} is a proposal that passes the stages up to prepare. Read it, then:")
    source = str(values_of(sections["ingest"])["path"])
    if Path(source).resolve().is_relative_to(Path.cwd()):
        print(f"  dvc add {shlex.quote(source)}")
    else:
        print("  (DVC keeps copies only of images in the project: data/source is a place for them)")
    print(f"  cp {shlex.quote(str(output))} params.yaml")


def _ingest(sections: dict[str, Section], folder: Path) -> tuple[Splits, Section, bool]:
    """Reads the images as the stage would.

    Returns:
        The images, what is known of the section ingest by then, and whether the source says which
        images are for the test.

    Raises:
        InputError: too many images can't be used.

    """
    try:
        data = DataParameters.model_validate(values_of(sections["data"]))
        ingest = TypeAdapter(IngestParameters).validate_python(values_of(sections["ingest"]))
    except ValidationError as error:
        raise InputError(f"What was understood is impossible: {error.errors()[0]['msg']}") from None
    source = replace(read_source(ingest, data), max_faulty_share=1.0)
    collection = collect(source, data=data, spool=folder / "pixels")
    selections, faults = arrange(collection, source, classes=data.classes)
    num_read = len(collection.names) + len(collection.faults)
    _report(source, faults, num_read=num_read)
    save_splits(folder / "raw", selections, source.origin)
    known: Section = {}
    if "max_faulty_share" in sections["ingest"]:
        # Rounded up, because exactly as many must pass.
        share = -(-len(faults) * 10_000 // num_read) / 10_000
        comment = f"of the images, that can't be used and are left out; {len(faults):,} found"
        known["max_faulty_share"] = (share, comment)
    splits: Splits = {name: load_split(name, folder / "raw") for name in selections}
    return splits, known, source.test_choice is None or bool(collection.is_test.any())


def _report(source: Source, faults: list[Fault], *, num_read: int) -> None:
    """Tells what is left aside and left out, and refuses to lose more than a few images."""
    _print(f"left aside, {line}" for line in source.aside.describe())
    counts = tally(faults)
    _print(f"left out, {line}" for line in counts.describe())
    if len(faults) > MAX_FAULTY_SHARE * num_read:
        lines = [
            f"{len(faults):,} of {num_read:,} images can't be used; allowed {MAX_FAULTY_SHARE:.0%}",
            *counts.describe(),
            *suggest(counts.counts),
            "Mend or remove them",
        ]
        raise InputError("\n".join(lines))


def _write_sections(sections: dict[str, Section], splits: Splits) -> str:
    """The text of the whole parameters file."""
    classes: tuple[str, ...] = tuple(values_of(sections["data"])["classes"])  # pyright: ignore[reportArgumentType]
    limits, centroid_recall = propose_limits(splits, classes=classes)
    values = {
        "validate": limits,
        "train": propose_recipe(splits["train"].labels),
        "gate": propose_gate(splits["test"].labels, centroid_recall=centroid_recall),
    }
    template = PARAMETERS_PATH.read_text(encoding="utf-8")
    return replace_sections(template, whole=sections, values=values)


def _try_stages(content: Mapping[str, Any], splits: Splits) -> None:
    """Makes sure that the images pass validate and prepare with what is proposed.

    Raises:
        InputError: they can't, because a class has no images in one of the splits, say.

    """
    data: DataParameters = check_section("data", DataParameters, content["data"])
    limits: ValidateParameters = check_section("validate", ValidateParameters, content["validate"])
    prepare: PrepareParameters = check_section("prepare", PrepareParameters, content["prepare"])
    _, findings = validate(splits, data=data, limits=limits)
    broken = [describe(finding) for finding in findings if is_critical(finding)]
    if broken:
        raise InputError("\n".join(["No limits of validate would pass these images:", *broken]))
    split_indices(
        splits["train"].images,
        splits["train"].labels,
        validation_share=prepare.validation_share,
        seed=prepare.seed,
        classes=data.classes,
    )


def _describe(
    splits: Splits, sections: dict[str, Section], train: Mapping[str, Any], *, is_given: bool
) -> Iterator[str]:
    """What was understood, and what training would cost."""
    data = values_of(sections["data"])
    classes: list[str] = data["classes"]  # pyright: ignore[reportAssignmentType]
    counts = {
        name: np.bincount(split.labels, minlength=len(classes)) for name, split in splits.items()
    }
    yield f"{len(classes)} classes, training and test images:"
    for label, name in enumerate(classes[:_SHOWN]):
        yield f"  {name}: {counts['train'][label]:,} + {counts['test'][label]:,}"
    if len(classes) > _SHOWN:
        smallest = int((counts["train"] + counts["test"]).argmin())
        total = counts["train"][smallest] + counts["test"][smallest]
        yield f"  and {len(classes) - _SHOWN} more; the smallest, {classes[smallest]}: {total:,}"
    chosen = "given" if is_given else "chosen by content, ingest.test_share of each class"
    yield f"  together: {counts['train'].sum():,} + {counts['test'].sum():,}; test images: {chosen}"
    height, width, channels = splits["train"].images.shape[1:]
    number = len(splits["train"].labels)
    num_bytes = estimate_memory(
        height=height,
        width=width,
        channels=channels,
        batch_size=train["batch_size"],
        num_images=number,
    )
    seconds = estimate_seconds(
        height=height, width=width, num_images=number, epochs=train["epochs"]
    )
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield (
        f"training: about {num_bytes / 2**30:.1f} GiB of memory and {max(1, seconds / 60):,.0f}"
        " min on two cores"
        + (
            f"; this machine has {available / 2**30:.1f} GiB: a smaller --size, or"
            " train.batch_size in the proposal"
            if num_bytes > available
            else ""
        )
    )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line.encode("utf-8", "backslashreplace").decode("utf-8"))


if __name__ == "__main__":
    run_framed(main)
