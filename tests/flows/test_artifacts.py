"""Where the links of a run lead."""

from pathlib import Path

import pytest

from flows.artifacts import ARCHIVE_VARIABLE, find_report


def test_links_lead_to_the_address_that_is_named_else_to_the_service_else_to_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ARCHIVE_VARIABLE, raising=False)
    assert find_report("run", None) == (tmp_path / "reports" / "report.html").as_uri()
    assert find_report(None, None) == (tmp_path / "archive" / "index.html").as_uri()
    monkeypatch.setenv(ARCHIVE_VARIABLE, "http://127.0.0.1:4201")
    assert find_report("run", None) == "http://127.0.0.1:4201/run/report.html"
    for address in ("https://runs.example/site", "https://runs.example/site/"):
        assert find_report("run", address) == "https://runs.example/site/run/report.html"
        assert find_report(None, address) == "https://runs.example/site/"
