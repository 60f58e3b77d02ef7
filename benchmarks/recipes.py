"""The recipes of benchmarks/recipes.yaml as commands.

python -m benchmarks.recipes
"""

from pathlib import Path

from ruamel.yaml import YAML

RECIPES = Path(__file__).with_name("recipes.yaml")


def load_recipes() -> dict[str, dict[str, object]]:
    """Changes to the section `train` of params.yaml, by the recipe's name."""
    return YAML(typ="safe").load(RECIPES.read_text("utf-8"))


def as_command(changes: dict[str, object]) -> str:
    """The command that runs the pipeline with a recipe."""
    values = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in changes.items()
    }
    return " ".join(
        ["dvc exp run", *(f"-S train.{name}={value}" for name, value in values.items())]
    )


if __name__ == "__main__":
    for recipe, changes in load_recipes().items():
        print(f"{recipe}:\n    {as_command(changes)}")
