"""A Cloud Scheduler job as the scheduler: Google's client against its API."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from novelsync.errors import ConfigurationError, SchedulerStopped, SchedulerUnavailable
from novelsync.schedulers.cloud import CloudScheduler
from tests.support.cloud_jobs import JOB, Answer, CloudJobs, failure


@pytest.fixture
def jobs() -> Iterator[CloudJobs]:
    with CloudJobs() as jobs:
        yield jobs


@pytest.fixture
def scheduler(jobs: CloudJobs) -> CloudScheduler:
    return CloudScheduler(JOB, jobs.client, patience=0.5)


def test_an_enabled_job_is_running_and_says_when_it_is_next_due(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    state = scheduler.state()
    assert (state.is_running, state.next_run) == (True, datetime(2025, 7, 31, 11, 7, 0, 123456, UTC))
    assert jobs.requests == ["get"]


@pytest.mark.parametrize("state", ["PAUSED", "DISABLED", "UPDATE_FAILED"])
def test_a_job_in_any_other_state_is_stopped(jobs: CloudJobs, scheduler: CloudScheduler, state: str) -> None:
    jobs.state = state
    assert (scheduler.state().is_running, scheduler.state().next_run) == (False, None)


def test_stopping_pauses_the_job_and_starting_resumes_it(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    scheduler.stop()
    assert jobs.state == "PAUSED"
    scheduler.start()
    assert jobs.state == "ENABLED"
    assert jobs.requests == ["pause", "resume"]


def test_what_is_so_already_is_no_error(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    scheduler.start()
    assert jobs.state == "ENABLED"
    scheduler.stop()
    scheduler.stop()
    assert jobs.state == "PAUSED"


def test_what_google_has_disabled_is_stopped_already(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    jobs.state = "DISABLED"
    scheduler.stop()
    assert jobs.state == "DISABLED"


def test_a_job_that_is_broken_cannot_be_started_and_that_is_said(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    jobs.state = "UPDATE_FAILED"
    with pytest.raises(ConfigurationError, match=r"Job\.state must be PAUSED for ResumeJob") as error:
        scheduler.start()
    assert "Google Cloud console" in error.value.hint


def test_a_job_is_run_on_demand_once(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    scheduler.run_now()
    assert jobs.runs == 1


def test_a_paused_job_runs_nothing_and_that_is_said(jobs: CloudJobs, scheduler: CloudScheduler) -> None:
    jobs.state = "PAUSED"
    with pytest.raises(SchedulerStopped, match=f"nothing was started: {JOB} is paused") as error:
        scheduler.run_now()
    assert "POST /api/v1/sync/scheduler/start" in error.value.hint
    assert jobs.runs == 0


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (failure(404, "NOT_FOUND", "Job not found."), ConfigurationError, f"there is no Cloud Scheduler job {JOB}"),
        (
            failure(403, "PERMISSION_DENIED", "lacks jobs.get"),
            ConfigurationError,
            "permission denied: .*lacks jobs.get",
        ),
        (failure(401, "UNAUTHENTICATED", "bad token"), ConfigurationError, "credentials are refused"),
        (failure(400, "INVALID_ARGUMENT", "no such location"), ConfigurationError, "no such location"),
        (failure(429, "RESOURCE_EXHAUSTED", "Quota"), SchedulerUnavailable, "could not be asked"),
        (failure(500, "INTERNAL", "oops"), SchedulerUnavailable, "could not be asked"),
        (failure(503, "UNAVAILABLE", "later"), SchedulerUnavailable, "could not be asked"),
    ],
)
def test_what_the_api_refuses_is_said_with_its_reason(
    jobs: CloudJobs, scheduler: CloudScheduler, answer: Answer, kind: type[Exception], said: str
) -> None:
    jobs.answer = lambda act: answer
    for act in (scheduler.state, scheduler.start, scheduler.stop, scheduler.run_now):
        with pytest.raises(kind, match=said):
            act()


def test_a_passing_failure_is_tried_again_but_a_run_is_not(jobs: CloudJobs) -> None:
    scheduler = CloudScheduler(JOB, jobs.client)
    failures = iter([failure(503, "UNAVAILABLE", "later")] * 2)
    jobs.answer = lambda act: next(failures, None)
    with pytest.raises(SchedulerUnavailable):
        scheduler.run_now()
    assert jobs.requests == ["run"], "it might have been started although the answer was lost"
    assert scheduler.state().is_running
    assert jobs.requests == ["run", "get", "get"]


def test_an_api_that_does_not_answer_is_unavailable(jobs: CloudJobs) -> None:
    with CloudJobs() as gone:
        client = gone.client()
    with pytest.raises(SchedulerUnavailable, match="could not be asked"):
        CloudScheduler(JOB, lambda: client).state()


@pytest.mark.parametrize("error", [DefaultCredentialsError("none"), RefreshError("expired")])
def test_without_credentials_it_says_how_to_get_some(error: Exception) -> None:
    def nobody() -> None:
        raise error

    with pytest.raises(ConfigurationError, match="there are no credentials") as refused:
        CloudScheduler(JOB, nobody).state()  # type: ignore[arg-type]
    assert "gcloud auth application-default login" in refused.value.hint


def test_no_client_is_made_before_it_is_needed() -> None:
    def never() -> None:
        raise AssertionError

    CloudScheduler(JOB, never)  # type: ignore[arg-type]
