"""The page says what is true, for data sets of any kind, and never lets a name become markup."""

import hashlib
import html
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tasks.core import paths
from tasks.core.dataset import ImageSplit
from tasks.report.render import (
    escape_markdown,
    format_chance,
    format_percent,
    format_points,
    format_setting,
)
from tasks.report.sections import SECTIONS as REPORT_SECTIONS
from tasks.report.stage import main
from tasks.runner.stage import STALE_SLOT
from tests.conftest import PROJECT
from tests.tasks.report.conftest import MakeReport, finding, made_up_splits, real_splits

SECTIONS = [
    "change",
    "data",
    "training",
    "confusion",
    "classes",
    "pairs",
    "mistakes",
    "labels",
    "calibration",
    "answer",
    "origin",
]
HOSTILE = "<script>alert(1)</script> \"'&$x_1^2$|`*"


class Outline(HTMLParser):
    """What a page is made of: tags, ids, images without a text instead, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.silent_images = 0
        self.text = ""
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named and tag == "section" else []
        self.silent_images += tag == "img" and not named.get("alt")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_section_is_there_and_every_image_has_a_text(make_report: MakeReport) -> None:
    outline = Outline(make_report())
    assert outline.ids == SECTIONS
    assert outline.silent_images == 0


def test_the_page_holds_no_script_and_no_address_outside_it(make_report: MakeReport) -> None:
    outline = Outline(make_report())
    assert not {"script", "link", "iframe", "object", "base"} & set(outline.tags)
    addresses = [
        value or ""
        for name, value in outline.attributes
        if name in ("src", "href", "xlink:href", "action", "data", "srcset")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:image/")) for address in addresses)


def test_the_same_inputs_give_the_same_bytes(make_report: MakeReport) -> None:
    first = make_report(baseline_seed=2)
    text = paths.REPORT_TEXT.read_bytes()
    assert make_report(baseline_seed=2) == first
    assert paths.REPORT_TEXT.read_bytes() == text


def test_the_slot_in_which_a_failing_stage_writes_is_there_once(make_report: MakeReport) -> None:
    assert make_report().count(STALE_SLOT) == 1


def test_hostile_names_stay_text(make_report: MakeReport) -> None:
    classes = [HOSTILE, "<img src=x onerror=alert(1)>", STALE_SLOT]
    page = make_report(
        splits=made_up_splits(num_classes=3, shape=(8, 8, 1), num_test=60),
        classes=classes,
        name=HOSTILE,
        findings=[finding(success=False, observed=HOSTILE)],
        baseline_seed=2,
    )
    outline = Outline(page)
    assert "script" not in outline.tags
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert HOSTILE in outline.text
    assert page.count(STALE_SLOT) == 1
    text = paths.REPORT_TEXT.read_text("utf-8")
    assert "<script" not in text
    assert all(line.count("|") - line.count("\\|") == 6 for line in table_of(text, rows=5))


def table_of(text: str, *, rows: int) -> list[str]:
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| class"))
    return lines[start : start + rows]


@pytest.mark.parametrize(
    ("num_classes", "shape", "num_test"),
    [
        (2, (28, 28, 1), 1),
        (2, (1, 1, 1), 2),
        (3, (96, 200, 3), 40),
        (17, (32, 32, 3), 100),
        (100, (28, 28, 1), 1000),
    ],
)
def test_few_and_many_classes_grey_and_colour_small_and_large_render(
    make_report: MakeReport, num_classes: int, shape: tuple[int, int, int], num_test: int
) -> None:
    splits = made_up_splits(num_classes=num_classes, shape=shape, num_test=num_test)
    classes = [f"class number {number}" for number in range(num_classes)]
    page = make_report(splits=splits, classes=classes)
    assert Outline(page).ids == SECTIONS
    assert len(page) < 3_000_000


def test_names_that_the_font_of_the_drawings_lacks_render(make_report: MakeReport) -> None:
    splits = made_up_splits(num_classes=3, shape=(8, 8, 1), num_test=9)
    page = make_report(splits=splits, classes=["ワンピース", "👖", "_$kirt$"])
    assert Outline(page).text.count("ワンピース") > 3


def test_a_flawless_model_has_no_mistakes_to_show(
    make_report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.tasks.report.conftest.made_up_answers",
        lambda labels, num_classes, seed: np.eye(num_classes, dtype=np.float32)[labels],
    )
    page = make_report()
    assert "The model names <strong>100.0%</strong>" in page
    assert page.count("The model makes no mistake on these images.") == 2
    assert "No label stands out." in page


def test_neighbours_are_asked_about_the_most_doubtful_labels_only_and_the_page_says_so(
    make_report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One label in four is wrong, and the model knows."""
    truth = real_splits()["train"]
    labels = truth.labels.copy()
    labels[::4] = (labels[::4] + 1) % 10
    answers = np.full((len(labels), 10), 0.01, np.float32)
    answers[np.arange(len(labels)), truth.labels] = 0.91
    monkeypatch.setattr(
        "tests.tasks.report.conftest.made_up_answers", lambda labels, num_classes, seed: answers
    )
    monkeypatch.setattr("tasks.report.sections._MOST_DOUBTFUL", 7)
    page = make_report(splits={"train": truth, "test": ImageSplit(truth.images, labels)})
    assert "The model doubts 100 of the test labels" in page
    assert "of the 7 most doubtful a second opinion" in page


def test_without_a_baseline_the_report_says_how_to_get_one(make_report: MakeReport) -> None:
    page = make_report()
    assert "No baseline yet" in page
    assert "pipeline baseline" in page


def test_a_figure_that_the_baseline_lacks_is_shown_without_a_change(
    make_report: MakeReport,
) -> None:
    """Earlier code didn't measure it."""
    make_report(baseline_seed=2)
    assert paths.REPORT_PAGE.read_text("utf-8").count("on the baseline</span>") == 5
    content = json.loads(paths.BASELINE.read_text("utf-8"))
    del content["metrics"]["macro_f1"]
    paths.BASELINE.write_text(json.dumps(content))
    main()
    assert paths.REPORT_PAGE.read_text("utf-8").count("on the baseline</span>") == 4


def test_the_page_names_the_model_by_its_version(make_report: MakeReport) -> None:
    page = make_report(baseline_seed=2)
    assert f"report on model {'0' * 12}</h1>" in page
    assert f"model <code>{'0' * 12}</code>" in page
    assert f"Model `{'0' * 12}`" in paths.REPORT_TEXT.read_text("utf-8")


def test_the_answers_of_the_baseline_are_recognized(make_report: MakeReport) -> None:
    assert "with the very answers of the baseline" in make_report(baseline_seed=1)


def test_two_models_of_the_same_kind_are_not_sold_as_progress(make_report: MakeReport) -> None:
    page = make_report(baseline_seed=2)
    assert "No clear difference from the baseline" in page
    assert "not clearly different from the baseline’s" in page
    assert "This may well be noise" in page
    assert "**no clear difference**" in paths.REPORT_TEXT.read_text("utf-8")


def test_an_image_that_became_right_is_shown_with_the_baselines_answer(
    make_report: MakeReport,
) -> None:
    page = make_report(baseline_seed=2)
    newly_right = page[page.index("<h3>Newly right") : page.index("<h3>Newly wrong")]
    answers = re.findall(
        r"<b><span[^>]*>([^<]+)</span></b>.*?before: <span[^>]*>([^<]+)<", newly_right
    )
    assert answers
    assert all(now != before for now, before in answers)


def test_the_commands_for_getting_the_model_again_find_the_commit_that_made_it(
    make_report: MakeReport, tmp_path: Path
) -> None:
    """Not a later one that replaced it, in whose dvc.lock it changed, too."""
    page = html.unescape(make_report())
    command = re.search(r"git checkout \$\((git log .* tail -1)\)", page)
    assert command is not None

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=Test", "-c", "user.email=t@example.invalid", *arguments],
            cwd=tmp_path,
            check=True,
        )

    git("init", "--quiet")
    md5 = hashlib.md5(paths.EVALUATION.read_bytes(), usedforsecurity=False).hexdigest()
    for content in ("", md5, "another"):
        (tmp_path / "dvc.lock").write_text(content)
        git("add", "dvc.lock")
        git("commit", "--quiet", "--message", content or "nothing")
    found = subprocess.run(
        command[1], shell=True, cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    message = subprocess.run(
        ["git", "log", "-1", "--format=%s", found.strip()],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert message.strip() == md5


def test_a_cell_of_the_confusion_matrix_leads_to_its_images(make_report: MakeReport) -> None:
    page = make_report()
    linked = re.findall(r'<a tabindex="-1" href="#(cell-\d+-\d+)"', page)
    anchors = re.findall(r'id="(cell-\d+-\d+)"', page)
    assert sorted(linked) == sorted(2 * anchors)
    metrics = json.loads(paths.EVALUATION.read_text("utf-8"))
    filled = np.argwhere(metrics["confusion_matrix"]).tolist()
    assert anchors == [f"cell-{label}-{said}" for label, said in filled]


def test_what_was_left_aside_at_ingest_is_told(make_report: MakeReport) -> None:
    origin = {"left_aside": {"hidden": 3, "empty": 1}, "left_out": {"is damaged": 2}}
    text = Outline(make_report(origin=origin)).text
    assert "Files that were left aside: 3 hidden; 1 empty." in text
    assert "Images that couldn’t be used: 2 is damaged." in text


def test_a_temperature_is_told_with_the_calibration_error_without_it(
    make_report: MakeReport,
) -> None:
    text = Outline(make_report()).text
    assert "divides its scores by a temperature of 1.500" in text
    assert "orange: without the temperature" in text


def test_a_section_is_an_entry_and_a_template_of_its_name() -> None:
    folder = PROJECT / "tasks" / "report" / "templates" / "sections"
    templates = {path.name.removesuffix(".html.j2") for path in folder.iterdir()}
    assert {section.name for section in REPORT_SECTIONS} == templates


def test_a_broken_expectation_stands_at_the_top(make_report: MakeReport) -> None:
    page = make_report(findings=[finding(success=False), finding(check="height")])
    top = page[: page.index("<main")]
    assert "1 of 2 expectations of the data doesn’t hold" in top
    assert "duplicates within the split" in top
    assert "expectations of the data" not in make_report()


def test_a_broken_expectation_is_shown_with_its_images(make_report: MakeReport) -> None:
    images = [{"split": "train", "index": 7}]
    originals = [{"split": "train", "index": 3}]
    broken = finding(success=False, unexpected_count=1, first_images=images, originals=originals)
    page = make_report(findings=[broken, finding(check="labels within the classes")])
    assert "1 of 2 expectations doesn’t hold" in page
    assert re.search(r'alt="train image 7, labelled [^"]+"', page)
    assert "repeats train image 3" in page
    assert re.search(r'alt="train image 3, labelled [^"]+"', page)


def test_the_tutorials_outputs_have_their_place(make_report: MakeReport) -> None:
    text = Outline(make_report()).text
    for part in ("94,154 parameters", "Total params", "40 training, 10 test", "One answer in full"):
        assert part in text
    drawn = re.findall(r"Normalized|Absolute|Loss of each|Accuracy of each|Reliability", text)
    assert len(set(drawn)) == 5


def test_one_image_per_class_is_enough_and_none_is_survived(make_report: MakeReport) -> None:
    splits = {
        name: ImageSplit(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 2], np.uint8))
        for name in ("train", "test")
    }
    page = make_report(splits=splits, classes=["a", "b", "c"])
    assert Outline(page).ids == SECTIONS


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.8798, "88.0%"),
        (0, "0.0%"),
        (1, "100.0%"),
        (0.9999, ">99.9%"),
        (0.0001, "<0.1%"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert format_percent(share) == text


def test_differences_carry_their_sign() -> None:
    assert [format_points(step) for step in (0.0052, -0.0052, 0.0)] == ["+0.52", "−0.52", "±0.00"]


def test_chances_are_not_overstated() -> None:
    texts = [format_chance(p).replace("\u00a0", " ") for p in (0.5034, 0.03, 1e-9)]
    assert texts == ["p = 0.5", "p = 0.03", "p < 0.001"]


def test_parameters_are_written_as_in_params_yaml() -> None:
    values = [True, None, 1e-5, "none", [1, 2]]
    assert [format_setting(value) for value in values] == [
        "true",
        "null",
        "1e-05",
        "none",
        "[1, 2]",
    ]


def test_markdown_is_escaped() -> None:
    assert escape_markdown("a|b\n<b>*x*") == r"a\|b &lt;b&gt;\*x\*"
