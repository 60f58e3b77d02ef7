"""A folder of predictions in parts, each a Parquet file, made here or on a cluster; resumable.

A part's name holds its number, how many there are, and a key of what went in: the model's version
and each image's name and stamp. A part that is there and whose images are unchanged is kept; the
others are cut into new ones. Images that couldn't be read, and those of which nothing tells whether
they have changed, are read every time, in parts of their own. The list of parts is written last.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import chain
from operator import add
from pathlib import Path

from tasks.core.files import remove, write_json
from tasks.images.errors import in_utf8
from tasks.predict.attempts import attempt
from tasks.predict.classify import Summary, classify_into, read_summary
from tasks.predict.images import Files, Listing
from tasks.predict.model import Model, load_model
from tasks.predict.parameters import PredictParameters
from tasks.predict.table import read_errors
from tasks.runner.errors import InputError
from tasks.runner.lock import RUN_LOCK, hold_run
from tasks.runner.parts import is_elsewhere, run_parts

LIST_NAME = "_predictions.json"
_WORK = ".work"
_NAME = re.compile(r"part-\d+-of-\d+-[0-9a-f]{16}\.parquet")


@dataclass(frozen=True)
class Part:
    """A part that is still to be made: the path of its table, the key of what goes in."""

    path: Path
    key: str
    images: Listing


def classify_images(
    output: Path,
    images: Listing,
    model: Model,
    parameters: PredictParameters,
    *,
    measure: bool,
    on_images: Callable[[int], object],
) -> Summary:
    """Classifies all images into a table, or into a folder of parts if OUTPUT has no ending.

    Args:
        output: of a table, see `claim_table`; a folder is new, empty, or of earlier predictions.
            Workers see it, and the model's, under the same path.
        parameters: the images of a new part, and of those how many are in memory at once.
        measure: whether the images are described, so that drift can be judged; parts always are.
        on_images: is told how many images are done, some at a time.

    Raises:
        InputError: the output holds something else, or the images can't be read as a whole.
        NetworkError: the cluster or the store of the images is gone; of parts, a second run goes
            on.

    """
    if output.suffix:
        return classify_into(
            output,
            images,
            model,
            batch_size=parameters.batch_size,
            measure=measure,
            on_images=on_images,
        )
    return _classify_parts(output, images, model, parameters, on_images=on_images)


def _classify_parts(
    folder: Path,
    images: Listing,
    model: Model,
    parameters: PredictParameters,
    *,
    on_images: Callable[[int], object],
) -> Summary:
    folder = _claim_folder(folder)
    with hold_run(f"a prediction into {folder}", folder / _WORK):
        paths, missing = make_plan(folder, images, version=model.version, size=parameters.part_size)
        (folder / LIST_NAME).unlink(missing_ok=True)
        on_images(images.num_images - sum(part.images.num_images for part in missing))
        function = partial(
            _classify_part,
            model=model.folder.resolve(),
            version=model.version,
            batch_size=parameters.batch_size,
            # Threads of one process end together, and which image did it can't be told.
            watch=is_elsewhere(),
        )
        for part, number in zip(missing, run_parts(function, missing), strict=True):
            if not part.path.exists():
                raise InputError(
                    f"A worker has written {part.path}, and it isn't here. Expected a folder that"
                    " all machines share; name one"
                )
            on_images(number)
        return _finish(folder, paths, model)


def _finish(folder: Path, parts: list[Path], model: Model) -> Summary:
    summaries = [read_summary(path) for path in parts]
    total = reduce(add, summaries)
    for path in set(_find_parts(folder)) - set(parts):
        remove(path)
    rows = {path.name: one.num_images for path, one in zip(parts, summaries, strict=True)}
    content = {"model": model.version, "images": total.num_images, "errors": total.num_errors}
    write_json(folder / LIST_NAME, {**content, "parts": rows})
    for path in (folder / _WORK).glob("*.reading"):
        remove(path)
    return total


def _classify_part(part: Part, *, model: Path, version: str, batch_size: int, watch: bool) -> int:
    """Writes the table of a part, unless it is there; gives the number of its images.

    To `watch` is to give up an image that has ended this process in some attempts.
    """
    work = part.path.parent / _WORK
    if not work.is_dir():
        raise InputError(f"{work} isn't there. Expected a folder that all machines share; name one")
    images = part.images
    with attempt(work / f"{part.key}.reading", images.names) as begin:
        if part.path.exists():
            return images.num_images
        loaded = load_model(str(model), num_threads=1)
        if loaded.version != version:
            raise InputError(
                f"{model} holds the model {loaded.version}; expected {version}. Share the folder of"
                " the models, or bring it up to date there"
            )
        if watch and isinstance(images, Files):
            images = replace(images, begin=begin)
        classify_into(part.path, images, loaded, batch_size=batch_size, measure=True)
    return images.num_images


def _claim_folder(folder: Path) -> Path:
    """Where the parts go, without links; what is there and is somebody's is refused."""
    is_ours = folder.is_dir() and (not any(folder.iterdir()) or _is_ours(folder))
    if is_ours or not os.path.lexists(folder):
        return folder.resolve()
    raise InputError(
        f"{folder} is there already and leads to no folder of predictions; expected a new name, or"
        " an earlier folder of predictions. Name another, or move this one away"
    )


def _is_ours(folder: Path) -> bool:
    """Whether the list of parts is there, or the lock of a run that is at work or didn't finish."""
    lock = {"what", "process", "since", "token"}
    return (
        _keys_of(folder / LIST_NAME) == {"model", "images", "errors", "parts"}
        # A full disk leaves it empty.
        or _keys_of(folder / _WORK / RUN_LOCK) in (lock, set())
    )


def _keys_of(note: Path) -> Set[str] | None:
    """The keys of an object in JSON; none in an empty file, None if it is no such thing."""
    try:
        return json.loads(note.read_text(encoding="utf-8") or "{}").keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def make_plan(
    folder: Path, images: Listing, *, version: str, size: int
) -> tuple[list[Path], list[Part]]:
    """Finds which parts are there, and cuts the images that are in none.

    Parts that are kept get the numbers that they have now.

    Returns:
        The tables of the folder, the first images first, and those that are still to be made.

    Raises:
        InputError: two images have one name.

    """
    names, stamps = [in_utf8(name) for name in images.names], images.stamps
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names):
        raise InputError(f"{len(names) - len(places):,} images have the name of another one")

    def key_of(held: Sequence[int]) -> str:
        """A key of the model and of the images at some places."""
        content = [version, [(names[place], stamps[place]) for place in held]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    # By the place of the first image: the key, and the table or what goes into it.
    parts: dict[int, tuple[str, Path | Listing]] = {}
    taken: set[int] = set()
    unsettled = {place for place, stamp in enumerate(stamps) if not stamp}
    for path in _find_parts(folder):
        errors = read_errors(path)
        held = [places.get(name, -1) for name in errors]
        unread = [name for name, error in errors.items() if _may_pass(name, error)]
        unsettled.update(places[name] for name in unread if name in places)
        if not held or not unsettled.isdisjoint(held):
            remove(path)  # broken or not to be kept, and a new one may have its name
        elif -1 in held or not taken.isdisjoint(held):
            continue
        elif f"-{(key := key_of(held))}." in path.name:
            parts[min(held)] = key, path
            taken.update(held)
    free = [place for place in range(len(names)) if place not in taken]
    settled = [place for place in free if place not in unsettled]
    for cut in chain(images.cut(settled, size), images.cut(sorted(unsettled), size)):
        held = [places[in_utf8(name)] for name in cut.names]
        parts[held[0]] = key_of(held), cut
    paths: list[Path] = []
    missing: list[Part] = []
    for number, first in enumerate(sorted(parts), start=1):
        key, content = parts[first]
        path = folder / f"part-{number:05}-of-{len(parts):05}-{key}.parquet"
        if isinstance(content, Path):
            content.replace(path)
        else:
            missing.append(Part(path, key, content))
        paths.append(path)
    return paths, missing


def _may_pass(name: str, error: str | None) -> bool:
    """Whether an error isn't of the image's bytes: of the disk, of a permission, of its absence."""
    return error is not None and error.startswith(f"{name} can't be read")


def _find_parts(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("part-*")) if _NAME.fullmatch(path.name))
