"""The fixtures, over the whole of their surface."""

import json
import os
import urllib.error
import urllib.request

import pytest
from pytest_drover import Drover, Refused


def say(drover, method, path, body="{}"):
    """A device that speaks HTTPS: the status of its answer."""
    request = urllib.request.Request(drover.http + path, body.encode(), method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_timeout_passes_in_no_time(drover, drover_clock):
    drover.thing("pump-7", "pump-8")
    drover.group("pumps", "pump-7")
    drover.job("fw", groups=["pumps"], document={"op": "flash"}, timeout_minutes=10, description="by pytest")
    assert drover.execution("pump-7", "fw")["status"] == "QUEUED"
    assert drover.execution("pump-8", "fw") is None
    assert say(drover, "PUT", "/things/pump-7/jobs/$next") == 200
    began = drover_clock.now()
    assert drover_clock.state()["nextDue"] == began + 600
    assert drover_clock.advance(by="9m59s")["fired"] == []
    moved = drover_clock.advance(to=began + 600)
    assert [(f["kind"], f["status"], f["at"]) for f in moved["fired"]] == [
        ("execution", "TIMED_OUT", began + 600), ("job", "COMPLETED", began + 600)]
    assert drover_clock.advance(until="idle", at_most="30d")["idle"] is True
    drover.wait_execution("pump-7", "fw", "TIMED_OUT")
    drover.wait_job("fw", "COMPLETED")


def test_a_job_with_retries_that_aborts(drover, drover_clock):
    drover.thing("pump-7", "pump-8")
    drover.job("fw", things=["pump-7", "pump-8"], retries={"FAILED": 1},
               abort=[{"failureType": "ALL", "thresholdPercentage": 50, "minNumberOfExecutedThings": 2}])
    for attempts in ["FAILED", "QUEUED"], ["FAILED", "FAILED"]:
        assert say(drover, "POST", "/things/pump-7/jobs/fw", json.dumps({"status": "FAILED"})) == 200
        assert drover.attempts("pump-7", "fw") == attempts and drover.job_status("fw") == "IN_PROGRESS"
    assert say(drover, "POST", "/things/pump-8/jobs/fw", json.dumps({"status": "SUCCEEDED"})) == 200
    drover.wait_job("fw", "CANCELED")
    assert drover.attempts("pump-8", "fw-2") == []


def test_a_lost_answer(drover, drover_faults):
    drover.thing("pump-7")
    drover.job("fw", things=["pump-7"])
    fault = drover_faults.inject(kind="answer", code="InternalError", operation="update", direction="response")
    assert say(drover, "POST", "/things/pump-7/jobs/fw", json.dumps({"status": "SUCCEEDED"})) == 500
    drover_faults.wait(fault["id"])
    drover.wait_job("fw", "COMPLETED")
    assert [f["remaining"] for f in drover_faults.list()] == [0]
    assert [i["thing"] for i in drover_faults.report()] == ["pump-7"]
    drover_faults.delete(fault["id"])
    drover_faults.clear()
    assert drover_faults.list() == drover_faults.report() == []


@pytest.mark.drover("--auto-things", "--clock-at", "2026-01-31T09:00:00Z")
def test_the_mark_gives_flags(drover, drover_clock):
    assert drover_clock.state()["time"] == "2026-01-31T09:00:00Z"
    assert say(drover, "PUT", "/things/new/jobs/$next") == 200
    drover.job("fw", things=["new"])
    drover.cancel_job("fw", force=True)
    assert drover.job_status("fw") == "CANCELED" and drover.job_status("fw-2") is None


def test_what_is_refused_says_why(drover):
    with pytest.raises(Refused, match="404 ResourceNotFoundException: ") as refused:
        drover.call("GET", "/things/nobody")
    assert refused.value.status == 404
    drover.patience = 0
    with pytest.raises(TimeoutError, match="waited in vain until job fw is COMPLETED; it is None"):
        drover.wait_job("fw", "COMPLETED")


def test_two_at_once_and_their_ends():
    with Drover() as one, Drover(clock="real") as two:
        assert one.mqtt != two.mqtt and one.mqtt_host == "127.0.0.1" and one.aws["endpoint_url"] == one.http
        with pytest.raises(Refused, match="409 ConflictException"):
            two.clock.advance(by=1)
        home = one._home.name
    assert not os.path.exists(home)
    with pytest.raises(urllib.error.URLError):
        one.clock.now()


def test_a_server_that_does_not_start_says_why():
    with pytest.raises(RuntimeError, match="unknown flag --no-such-flag"):
        Drover("--no-such-flag").start()
