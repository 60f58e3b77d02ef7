"""A proposal: the source is understood, the stages are tried on it, and the file is written."""

import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from tasks.core import paths
from tasks.core.cost import estimate_memory, estimate_seconds
from tasks.core.dataset import load_split, save_splits
from tasks.core.files import write_text
from tasks.core.parameters import PARAMETERS_PATH, DataParameters, load_section
from tasks.images.errors import in_utf8
from tasks.ingest.address import is_address, local_path
from tasks.ingest.collect import Fault, arrange, collect, tally
from tasks.ingest.parameters import IngestParameters, require_source_outside_outputs
from tasks.ingest.source import Source
from tasks.ingest.stage import read_source
from tasks.prepare.parameters import PrepareParameters
from tasks.prepare.split import split_indices
from tasks.propose.layout import understand
from tasks.propose.limits import propose_gate, propose_limits, propose_recipe
from tasks.propose.options import Options
from tasks.propose.pictures import suggest
from tasks.propose.sections import comment, replace_sections
from tasks.runner.errors import InputError
from tasks.train.parameters import TrainParameters
from tasks.validate.judge import describe, is_critical
from tasks.validate.parameters import ValidateParameters
from tasks.validate.verdict import Splits, validate

# Of the images, that a proposal leaves out. Whoever wants to lose more says so in the file.
MAX_FAULTY_SHARE = 0.02
# Of the test images, that a proposal finds among the training images; and what isn't worth a line.
_MOST_LEAKED, _FEW = 0.5, 0.01
_SHOWN = 12


def propose(path: str, output: Path, options: Options) -> None:
    """Describes the source, tries the stages on it, and writes what it passes."""
    if output.exists() or output.is_symlink():
        raise InputError(f"{output} is there already; name a file that isn't")
    if in_utf8(path) != path:
        raise InputError(f"{in_utf8(path)} isn't in UTF-8, as params.yaml has to be. Rename it")
    outputs = [paths.RAW, paths.PREPARED, paths.CANDIDATE]
    require_source_outside_outputs(path, outputs)
    with (
        tempfile.TemporaryDirectory(dir=output.parent, prefix=".propose-") as temporary,
        local_path(path, Path(temporary, "source")) as (place, tell),
    ):
        data, ingest, lines = understand(Path(place), options)
        _print(map(tell, lines))
        require_source_outside_outputs(tell(ingest.path), outputs)  # of a table, its folder
        splits, faulty, is_given = _ingest(data, ingest, Path(temporary), tell)
        ingest = ingest.model_copy(update={"path": tell(ingest.path)})
        if ingest.format in ("idx", "npz"):  # what is published doesn't grow
            counts = {f"{name}_images": len(split.labels) for name, split in splits.items()}
            data = data.model_copy(update=counts)
        text = _write_sections(data, ingest, splits, faulty)
        trial = Path(temporary, PARAMETERS_PATH)
        write_text(trial, text)
        _try_stages(splits, data, trial)
        train: TrainParameters = load_section("train", TrainParameters, trial)
        write_text(output, text)
        _print(_describe(splits, data.classes, train, is_given=is_given))
    print(f"{output} is a proposal that passes the stages up to prepare. Read it, then:")
    if is_address(path):
        print(f"  (DVC asks there whether the images have changed: {ingest.path})")
    elif Path(path).resolve().is_relative_to(Path.cwd()):
        print(f"  dvc add {shlex.quote(ingest.path)}")
    else:
        print("  (DVC keeps copies only of images in the project: data/source is a place for them)")
    print(f"  cp {shlex.quote(str(output))} params.yaml")


def _ingest(
    data: DataParameters, ingest: IngestParameters, folder: Path, tell: Callable[[str], str]
) -> tuple[Splits, tuple[int, int], bool]:
    """Reads the images as the stage would; too many that can't be used are refused.

    How many can't be used of how many is told, too, and whether the source has a test of its own.
    """
    source = read_source(ingest, data)  # whose share of faults is 1.0, until it is known
    collection = collect(source, data=data, spool=folder / "pixels")
    selections, faults = arrange(collection, source, classes=data.classes)
    num_read = len(collection.names) + len(collection.faults)
    _print(map(tell, _report(source, faults, num_read=num_read)))
    save_splits(folder / "raw", selections, source.origin)
    splits: Splits = {name: load_split(name, folder / "raw") for name in selections}
    if not len(splits["train"].labels):
        raise InputError(
            f"{ingest.path} holds {len(splits['test'].labels):,} images, all of them for the test;"
            " expected some to train on. Add these; or, to have test images chosen, call the"
            " folder train, or, of a table, say --split-column none"
        )
    train, test = (collection.contents[selections[name].positions, 0] for name in ("train", "test"))
    _print(_describe_copies(train, test))
    is_given = source.choice is None or bool(collection.is_test.any())
    return splits, (len(faults), num_read), is_given


def _describe_copies(train: np.ndarray, test: np.ndarray) -> Iterator[str]:
    """Tells of images that occur more than once, by the (n,) hashes of each split.

    Where most of the test images are training images, it is no test.
    """
    leaked = float(np.isin(test, train).mean()) if len(test) else 0.0
    if leaked > _MOST_LEAKED:
        raise InputError(
            f"{leaked:.0%} of the test images are training images, too; expected none. Remove them"
            " from one part; or leave out the part test, and test images are chosen by content: of"
            " a column, by --split-column none; of tables or folders, by moving it elsewhere"
        )
    copied = max(1 - len(np.unique(part)) / max(1, len(part)) for part in (train, test))
    if max(leaked, copied) >= _FEW:
        yield (
            f"the same image more than once: {leaked:.1%} of the test images are training images,"
            f" too, and {copied:.1%} of a part's images repeat another; better remove them"
        )


def _report(source: Source, faults: list[Fault], *, num_read: int) -> Iterator[str]:
    """Tells what is left aside and left out, and refuses to lose more than a few images."""
    yield from (f"left aside, {line}" for line in source.aside.describe())
    counts = tally(faults)
    yield from (f"left out, {line}" for line in counts.describe())
    if len(faults) > MAX_FAULTY_SHARE * num_read:
        lines = [
            f"{len(faults):,} of {num_read:,} images can't be used; allowed {MAX_FAULTY_SHARE:.0%}",
            *counts.describe(),
            *suggest(counts.counts),
            "Mend or remove them",
        ]
        raise InputError("\n".join(lines))


def _write_sections(
    data: DataParameters, ingest: IngestParameters, splits: Splits, faulty: tuple[int, int]
) -> str:
    """The text of the whole parameters file."""
    limits, centroid_recall = propose_limits(splits, classes=data.classes)
    are_numbers = all(name.lstrip("-").isdecimal() for name in data.classes)
    names = {"classes": "the labels' numbers; give them names"} if are_numbers else {}
    whole = {"data": comment(data, **names), "ingest": comment(ingest)}
    if "max_faulty_share" in whole["ingest"]:
        number, total = faulty
        # Rounded up, because exactly as many must pass.
        share = -(-number * 10_000 // total) / 10_000
        words = f"of the images, that can't be used and are left out; {number:,} found"
        whole["ingest"]["max_faulty_share"] = share, words
    values = {
        "validate": limits,
        "train": propose_recipe(splits["train"].labels),
        "gate": propose_gate(splits["test"].labels, centroid_recall=centroid_recall),
    }
    template = PARAMETERS_PATH.read_text(encoding="utf-8")
    return replace_sections(template, whole=whole, values=values)


def _try_stages(splits: Splits, data: DataParameters, trial: Path) -> None:
    """Makes sure that the images pass validate and prepare: each class has some in each split."""
    limits: ValidateParameters = load_section("validate", ValidateParameters, trial)
    prepare: PrepareParameters = load_section("prepare", PrepareParameters, trial)
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
    splits: Splits, classes: tuple[str, ...], train: TrainParameters, *, is_given: bool
) -> Iterator[str]:
    """What was understood, and what training would cost."""
    counts = {
        name: np.bincount(split.labels, minlength=len(classes)) for name, split in splits.items()
    }
    yield f"{len(classes)} classes, training and test images:"
    for label, name in enumerate(classes[:_SHOWN]):
        yield f"  {name}: {counts['train'][label]:,} + {counts['test'][label]:,}"
    if len(classes) > _SHOWN:
        total = counts["train"] + counts["test"]
        smallest = f"{classes[total.argmin()]}: {total.min():,}"
        yield f"  and {len(classes) - _SHOWN} more; the smallest, {smallest}"
    chosen = "given" if is_given else "chosen by content, ingest.test_share of each class"
    yield f"  together: {counts['train'].sum():,} + {counts['test'].sum():,}; test images: {chosen}"
    number, height, width, _ = splits["train"].images.shape
    num_bytes = estimate_memory(
        height=height, width=width, batch_size=train.batch_size, num_images=number
    )
    seconds = estimate_seconds(height=height, width=width, num_images=number, epochs=train.epochs)
    line = f"training: about {num_bytes / 2**30:.1f} GiB of memory and {max(1, seconds / 60):,.0f}"
    line += " min on two cores"
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if num_bytes > available:
        line += f"; this machine has {available / 2**30:.1f} GiB: a smaller --size, or"
        line += " train.batch_size in the proposal"
    yield line


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(in_utf8(line))
