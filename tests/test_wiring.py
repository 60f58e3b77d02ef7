"""dvc.yaml tells the truth about the code: its imports, its parameters, its paths."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.core import paths
from tasks.core.seal import SEAL_NAME
from workspace.graph import read_stages

PROJECT = Path(__file__).parent.parent
# How a stage runs, is refused and is told. Nothing in it can change a byte of an output, so that no
# stage depends on it.
RUNNER = PROJECT / "tasks" / "runner"
STAGES: dict[str, dict] = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"]


def names_of(entries: list) -> list[str]:
    """The paths of a list in dvc.yaml, whose entries may carry options."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def outputs_of(stage: dict) -> list[str]:
    return names_of([*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])])


def entry_files(module: str) -> set[Path]:
    """The files that `python -m MODULE` runs."""
    path = PROJECT / module.replace(".", "/")
    return set(path.rglob("*.py")) if path.is_dir() else {path.with_suffix(".py")}


def imported_files(file: Path) -> set[Path]:
    """The first-party files that a file imports, also those inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            modules = [node.module or ""]
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            path = PROJECT / module.replace(".", "/")
            if path.with_suffix(".py").is_file():
                found.add(path.with_suffix(".py"))
            elif (path / "__init__.py").is_file() and path.name != "tasks":
                found.add(path / "__init__.py")
    return found


def reachable_files(module: str) -> set[Path]:
    """Every first-party file that a stage may execute."""
    reached: set[Path] = set()
    waiting = entry_files(module)
    while waiting:
        file = waiting.pop()
        reached.add(file)
        waiting |= {
            found for found in imported_files(file) if RUNNER not in found.parents
        } - reached
    return reached


def sections_read(module: str) -> set[str]:
    """The sections of params.yaml that a stage's own code reads with `load_section()`."""
    return {
        str(node.args[0].value)
        for file in entry_files(module)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "load_section"
        and isinstance(node.args[0], ast.Constant)
    }


# The project's own Python, also where its environment isn't active.
COMMAND = 'PATH=".venv/bin:$PATH" python -m '


def module_of(stage: str) -> str:
    return STAGES[stage]["cmd"].removeprefix(COMMAND)


@pytest.mark.parametrize("stage", STAGES)
def test_every_import_of_a_stage_is_among_its_dependencies(stage: str) -> None:
    dependencies = [PROJECT / name for name in names_of(STAGES[stage]["deps"])]
    missing = {
        str(file.relative_to(PROJECT))
        for file in reachable_files(module_of(stage))
        if not any(file == path or path in file.parents for path in dependencies)
    }
    assert missing == set()


@pytest.mark.parametrize("stage", STAGES)
def test_no_code_is_a_dependency_that_a_stage_does_not_import(stage: str) -> None:
    reached = reachable_files(module_of(stage))
    code = [name for name in names_of(STAGES[stage]["deps"]) if name.startswith("tasks/")]
    unused = {
        name
        for name in code
        if not any((PROJECT / name) in (file, *file.parents) for file in reached)
    }
    assert unused == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_the_parameters_that_it_declares(stage: str) -> None:
    assert sections_read(module_of(stage)) == set(STAGES[stage].get("params", []))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_one_module_of_its_own_name(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"{COMMAND}tasks.{stage}"
    assert f"tasks/{stage}" in names_of(STAGES[stage]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_in_one_line_what_it_does(stage: str) -> None:
    assert "\n" not in STAGES[stage]["desc"].strip()


@pytest.mark.parametrize("stage", STAGES)
def test_the_paths_in_the_code_are_those_in_the_graph(stage: str) -> None:
    """A path that a stage's code names, shared code too, is one of its dependencies or outputs."""
    named = {
        node.attr
        for file in reachable_files(module_of(stage))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "paths"
    }
    declared = {*names_of(STAGES[stage]["deps"]), *outputs_of(STAGES[stage])}
    outside = {
        name
        for name in named
        if not any(
            str(path) in declared for path in (getattr(paths, name), *getattr(paths, name).parents)
        )
        and not any(getattr(paths, name) in Path(path).parents for path in declared)
    }
    assert outside == set()


def test_every_output_has_a_path_in_the_code_and_back() -> None:
    outputs = {name for stage in STAGES.values() for name in outputs_of(stage)}
    inputs = {name for stage in STAGES.values() for name in names_of(stage["deps"])}
    constants = {value for name, value in vars(paths).items() if name.isupper()}
    # What no other stage reads may stand where it is written.
    spelled = {
        Path(str(node.args[0].value))
        for name in STAGES
        for file in entry_files(module_of(name))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Path"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    for path in constants:
        held = any(path in Path(output).parents for output in outputs)
        assert held or {str(path), *map(str, path.parents)} & (outputs | inputs), path
    for output in outputs:
        named = any(Path(output) in (path, *path.parents) for path in constants | spelled)
        assert named or Path(output).name == SEAL_NAME, output


def test_the_flow_sees_the_stages_in_the_order_of_the_graph(
    workspace: Path,
) -> None:
    """Each stage comes after every stage whose outputs it reads."""
    stages = read_stages(workspace)
    assert {stage.name for stage in stages} == set(STAGES)
    seen: set[str] = set()
    for stage in stages:
        assert set(stage.upstream) <= seen
        seen.add(stage.name)
        producers = {
            name
            for name, other in STAGES.items()
            if set(outputs_of(other)) & set(names_of(STAGES[stage.name]["deps"]))
        }
        assert producers == set(stage.upstream)


def test_no_stage_name_stands_in_flow_code() -> None:
    for file in (PROJECT / "flows").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value not in STAGES, f"{file.name}:{node.lineno}"


def test_the_runner_builds_on_nothing_that_a_stage_computes_with() -> None:
    """What stages don't depend on may not decide what they write."""
    for file in RUNNER.glob("*.py"):
        assert {found.parent for found in imported_files(file)} <= {
            RUNNER,
            PROJECT / "tasks" / "core",
        }, file


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("tasks", {"prefect", "dvc", "gto", "scmrepo", "flows", "workspace"}),
        ("workspace", {"prefect"}),
        ("flows", {"dvc", "gto", "scmrepo"}),
    ],
)
def test_each_package_imports_only_what_it_owns(folder: str, forbidden: set[str]) -> None:
    for file in (PROJECT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in forbidden, file


def test_no_function_is_longer_than_a_page() -> None:
    """60 lines, with its docstring."""
    long = {
        f"{file.relative_to(PROJECT)}: {node.name}"
        for folder in ("tasks", "workspace", "flows")
        for file in (PROJECT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno >= 60
    }
    assert long == set()
