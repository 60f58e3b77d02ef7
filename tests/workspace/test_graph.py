"""What DVC is asked for, and what is told when it fails: a real DVC, and stages of one line."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.runner.errors import InputError
from tests.conftest import PROJECT, configure_dvc
from workspace.graph import StageFailedError, bring_up_to_date, read_stages

GRAPH = """
stages:
  crash:
    cmd: python crash.py
  refuse:
    cmd: python refuse.py
  starve:
    cmd: echo never
    deps: [nothing]
  wait:
    cmd: exit 75
  die:
    cmd: kill -9 $$
"""
PULLED = """
stages:
  collect:
    cmd: cp source collected
    deps: [source]
    outs: [collected]
  count:
    cmd: wc -c < collected > counted
    deps: [collected]
    outs: [counted]
"""
CRASH = "for number in range(20):\n    print('epoch', number)\nprint(1 / 0)\n"
REFUSE = "import sys\nprint('loading')\nsys.exit('refuse: 3 images are blank. Mend them.')\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC repository without Git."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    Repo.init(str(tmp_path), no_scm=True).close()
    configure_dvc(tmp_path)
    with (tmp_path / ".dvc" / "config").open("a") as file:
        file.write("    no_scm = true\n")
    for name, content in {"dvc.yaml": GRAPH, "crash.py": CRASH, "refuse.py": REFUSE}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def failure_of(stage: str, root: Path) -> StageFailedError:
    with pytest.raises(StageFailedError, match=f"^The stage {stage} has failed: ") as caught:
        bring_up_to_date(stage, root=root, token="none", on_line=print)
    assert str(caught.value).endswith("the next run goes on from there.")
    return caught.value


def test_a_crash_is_told_by_its_last_lines(root: Path) -> None:
    message = str(failure_of("crash", root))
    assert "ZeroDivisionError: division by zero" in message
    assert "epoch 19" in message
    assert "epoch 2\n" not in message


def test_a_refusal_is_told_in_its_own_words(root: Path) -> None:
    assert str(failure_of("refuse", root)).splitlines()[0] == (
        "The stage refuse has failed: 3 images are blank. Mend them."
    )


def test_what_keeps_dvc_from_starting_a_stage_is_told_in_dvcs_words(root: Path) -> None:
    message = str(failure_of("starve", root))
    assert message.splitlines()[0].startswith("The stage starve has failed: DVC: ")
    assert "nothing" in message


def test_a_lock_with_the_marks_of_a_merge_is_told_with_the_remedy(root: Path) -> None:
    (root / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n")
    with pytest.raises(InputError, match=r"^dvc\.lock can't be read: .*Mend it: rm dvc\.lock; "):
        read_stages(root)


def test_only_what_says_so_may_pass_at_a_second_try(root: Path) -> None:
    assert failure_of("wait", root).may_pass
    assert not failure_of("crash", root).may_pass


def test_a_death_by_signal_is_explained(root: Path) -> None:
    assert "It was ended by a signal. If nobody sent one, the kernel did" in str(
        failure_of("die", root)
    )


def test_where_the_outputs_are_pulled_a_source_that_is_gone_is_no_reason_to_run(root: Path) -> None:
    (root / "dvc.yaml").write_text(PULLED)
    (root / "source").write_text("four")
    for stage in ("collect", "count"):
        bring_up_to_date(stage, root=root, token="none", on_line=print)
    (root / "source").unlink()
    assert [stage.reasons for stage in read_stages(root)] == [(), ()]
    (root / "counted").unlink()
    assert [stage.reasons for stage in read_stages(root)] == [(), ("output counted is deleted",)]
    (root / "collected").unlink()
    assert set(read_stages(root)[0].reasons) == {
        "input source is deleted",
        "output collected is deleted",
    }
