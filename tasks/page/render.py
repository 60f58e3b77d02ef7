"""The environment of a page's templates: every value is escaped, and images can be shown."""

from collections.abc import Mapping, Sequence

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from tasks.core.dataset import ImageSplit, SplitName
from tasks.page.images import show_images


def make_environment(
    package: str, splits: Mapping[SplitName, ImageSplit], *, classes: Sequence[str]
) -> Environment:
    """Templates of a package and of this one, with `show` and `name_label` for single images."""

    def show(split: SplitName, *positions: int) -> str:
        return show_images(splits[split].images[list(positions)])

    def name_label(split: SplitName, position: int) -> str:
        labels = splits[split].labels
        if position >= len(labels):
            return "no label"
        label = int(labels[position])
        return classes[label] if 0 <= label < len(classes) else f"label {label}"

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("tasks.page")]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"show": show, "name_label": name_label, "classes": classes}
    return environment
