"""Stage report: reports/report.html and report.md from what the other stages found.

python -m tasks.report

The page is one file: no script, no address outside it. What a page can't do is look at the
workspace; a failing stage and `pipeline status` write into it that it is out of date.
"""

from tasks.core import paths
from tasks.core.files import write_text
from tasks.report.inputs import Inputs
from tasks.report.render import render_markdown, render_page
from tasks.report.sections import SECTIONS


def main() -> None:
    """Load, find, render, save."""
    inputs = Inputs()
    found = {section.name: section.find(inputs) for section in SECTIONS}
    write_text(paths.REPORT_PAGE, render_page(inputs, found))
    write_text(paths.REPORT_TEXT, render_markdown(inputs, found))
    print(f"wrote {paths.REPORT_PAGE}", flush=True)
