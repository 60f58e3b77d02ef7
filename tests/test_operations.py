"""Each promise of docs/operations.md that can be run has a test; each message is one of ours."""

import re
from datetime import timedelta

import pytest

from tests.conftest import PROJECT

TEXT = (PROJECT / "docs" / "operations.md").read_text("utf-8")
# What messages of the system and of Git, which are passed on, begin with.
OTHERS = ("No space left on device", "git update-ref")
# What the page says → the test that shows it.
PROMISES = {
    "It can be ended (Ctrl-C, SIGTERM) and started again at any time": (
        "test_a_run_that_died_with_its_machine_does_not_stay_running"
    ),
    "A stop ends everything within seconds": (
        "test_a_stop_in_the_middle_of_a_training_ends_everything_within_seconds"
    ),
    "Telemetry is off": "test_prefects_settings_are_those_that_the_page_names",
    "refused without a password": "test_any_other_host_needs_one",
    "a port at which something listens is refused": (
        "test_a_port_at_which_another_listens_is_refused"
    ),
    "both checked by `pipeline check`": "test_an_impossible_schedule_or_address_is_refused",
    "ends stage, DVC and flow; outputs stay whole": "test_cancelling_ends_every_process_of_the_run",
    "it trains nothing": "test_a_scheduled_run_does_nothing_when_nothing_changed",
    "the next run ingests, validates and trains": (
        "test_new_images_in_the_source_folder_make_the_next_scheduled_run_work"
    ),
    "the system frees them when the process ends, however it ends": (
        "test_a_killed_holder_frees_the_workspace"
    ),
    "a lock file that lies around means nothing": "test_lock_files_that_nobody_holds_do_not_matter",
    "ends at once and says who holds the workspace": (
        "test_a_second_run_and_a_person_are_turned_away_while_one_is_at_work"
    ),
    "What changed meanwhile fails it at its end": (
        "test_what_changes_while_a_stage_runs_fails_it_and_is_not_recorded"
    ),
    "An output that holds what no run wrote": "test_a_file_beside_what_a_run_wrote_is_refused_too",
    "that is a link to another disk": "test_a_link_to_another_disk_is_refused_and_stays",
    "that an input lies in, is refused": "test_a_source_inside_or_around_an_output_is_refused",
    "a shared or external cache, a cache of links": (
        "test_in_a_shared_cache_of_links_what_is_damaged_is_found_and_the_remedy_mends"
    ),
    "a subfolder of a larger Git repository": (
        "test_a_project_below_gits_top_is_verified_healed_published_and_compared"
    ),
    "each worktree has a cache of its own": "test_a_git_worktree_is_a_workspace_of_its_own",
    "no Git (a ZIP download)": "test_a_folder_without_git_is_told_what_to_set_and_works_then",
    "two users of one group": "test_each_goes_on_from_what_the_other_did",
    "take `.pipeline/home`": "test_a_user_without_a_home_gets_one_in_the_workspace",
    "keeps DVC's databases in `.pipeline/site`": (
        "test_where_var_tmp_can_not_be_written_dvcs_databases_go_into_the_workspace"
    ),
    "local addresses bypass it": "test_a_proxy_is_not_asked_for_local_addresses",
    "find the project's Python": (
        "test_a_stage_runs_with_the_projects_python_where_its_environment_is_not_active"
    ),
    "a clone that pulled the outputs, without the source": (
        "test_where_the_outputs_are_pulled_a_source_that_is_gone_is_no_reason_to_run"
    ),
    "what it lacks is written as": "test_a_terminal_that_lacks_a_character_gets_its_number",
    "epochs move its progress": "test_the_interface_shows_what_was_done_and_how_good_the_model_is",
    "ask for a reason and change the champion": (
        "test_an_accepted_model_waits_until_a_person_decides_in_prefect"
    ),
    "The service sends a test message when it starts": "test_the_start_is_told_to_the_webhook",
    "that block of the kind Secret": "test_the_address_is_found_in_a_secret_block",
    "the stage, its last lines, what happens next and the run's page": (
        "test_a_failure_is_told_with_its_stage_its_cause_and_what_happens_next"
    ),
    "a new champion, a model that waits for a decision": "test_a_new_champion_is_told_of",
    "A message that isn't taken": "test_a_message_is_tried_until_it_arrives",
    "a machine that was suspended goes on where it was": (
        "test_a_suspended_machine_goes_on_where_it_was"
    ),
    "marked as crashed at the next start of the service": (
        "test_a_run_that_died_with_its_machine_does_not_stay_running"
    ),
    "adds a folder to `archive/`": "test_a_run_is_kept_as_it_was_whatever_comes_after",
    "A failed run leaves its reason": "test_a_failed_run_leaves_its_reason_and_no_earlier_report",
    "one that fails after its last stage, as at a push, the results, too": (
        "test_what_fails_after_the_last_stage_leaves_the_report_with_the_reason"
    ),
    "the run that made its model was killed before it was kept": (
        "test_a_model_whose_run_was_killed_before_it_was_kept_is_kept_by_the_next"
    ),
    "Parameters are those that the stages had": (
        "test_parameters_are_those_that_the_run_had_whatever_is_edited_meanwhile"
    ),
    "as long as `champion.json` is lost": (
        "test_without_the_record_of_champions_no_run_is_removed"
    ),
    "but not images": "test_images_that_nobody_gave_to_git_are_not_committed",
    "say what stays": "test_runs_beyond_a_number_or_an_age_go_but_never_the_champions",
    "on the test images that both had": (
        "test_on_other_images_the_shared_ones_are_compared_and_what_came_and_went_is_told"
    ),
    "copies the runs that aren't there yet": "test_a_folder_gets_each_run_once_and_keeps_it",
    "a place such as `s3://bucket/runs`": "test_so_does_a_bucket",
    "read-only, behind the same password": "test_the_password_is_asked_for",
    "By default a run commits nothing and pushes nothing": (
        "test_by_default_nothing_leaves_the_workspace"
    ),
    "gives a workspace in which `dvc status` finds nothing to do": (
        "test_a_commit_checks_out_to_a_workspace_with_nothing_to_run"
    ),
    "names the files that had been edited and not committed": (
        "test_a_commit_names_what_it_was_made_from_and_what_was_edited"
    ),
    "Commits are signed where `commit.gpgsign` says so": (
        "test_commits_are_signed_where_git_signs_and_refused_where_it_cannot"
    ),
    "a missing bucket or a wrong key ends the run before it trains": (
        "test_a_remote_that_takes_nothing_is_found_before_training_and_not_tried_again"
    ),
    "A remote that can't be reached is tried again": (
        "test_a_remote_that_does_not_answer_stops_no_training_and_may_be_tried_again"
    ),
    "`pipeline verify` says whether each restored byte": (
        "test_changed_bytes_are_named_with_the_remedy"
    ),
    "leave Prefect's database by themselves": (
        "test_prefects_settings_are_those_that_the_page_names"
    ),
    "every `flow.verify_hours` one reading of all outputs": (
        "test_with_nothing_to_do_and_no_server_a_run_only_looks"
    ),
    "Two runs of the deployment: the second is cancelled by Prefect": (
        "test_a_second_run_and_a_person_are_turned_away_while_one_is_at_work"
    ),
    "It must take a file": "test_a_disk_that_takes_nothing_is_not_tried_again",
    "A place that can't be reached is tried again": (
        "test_a_bucket_that_does_not_answer_stops_no_training_and_may_be_tried_again"
    ),
    "the links in Prefect's interface then lead there": (
        "test_links_lead_to_the_address_that_is_named_else_to_the_service_else_to_the_file"
    ),
    "a run's link in Prefect's interface leads to its report there": (
        "test_a_browser_gets_from_a_run_in_prefects_interface_to_its_report"
    ),
    "whether each restored byte is the recorded one": "test_what_is_restored_is_what_was_recorded",
    "a lost champion is followed by the next candidate that passes the gate": (
        "test_code_and_cache_are_enough_and_the_next_candidate_that_passes_is_the_champion"
    ),
    "keeps what some commit names": (
        "test_what_a_commit_names_is_kept_when_the_cache_is_tidied_up"
    ),
    "the last `gate.keep` stay": "test_old_versions_are_removed_but_for_the_latest",
}


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Of all tests."""
    files = (PROJECT / "tests").rglob("test_*.py")
    return {name for file in files for name in re.findall(r"\bdef (\w+)", file.read_text("utf-8"))}


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_stands_on_the_page_and_has_its_test(promise: str, names: set[str]) -> None:
    assert promise in " ".join(TEXT.split())
    assert PROMISES[promise] in names


def test_each_message_of_the_table_is_one_that_the_code_says() -> None:
    code = "".join(
        re.sub(r'"\s*f?"', "", file.read_text("utf-8"))  # parts of one message
        for folder in ("tasks", "workspace", "flows")
        for file in (PROJECT / folder).rglob("*.py")
    )
    rows = TEXT.partition("What the messages mean")[2].splitlines()
    messages = re.findall("`([^`]+)`", "\n".join(row.split("|")[1] for row in rows if "|" in row))
    assert len(messages) > 20
    for message in messages:
        for part in re.split(r"…| N,| KEY = VALUE| \(worker\)|Traceback|\.dvc/cache/", message):
            assert part.strip(" ();,=:") in code or part.startswith(OTHERS), message


def test_prefects_settings_are_those_that_the_page_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import Settings

    monkeypatch.chdir(PROJECT)
    server = Settings().server
    assert server.analytics_enabled is False
    assert server.services.db_vacuum.enabled == {"events", "flow_runs"}
    assert server.services.db_vacuum.retention_period == timedelta(days=90)
