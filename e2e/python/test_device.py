"""Tests of a firmware made with awsiotsdk, as its authors would write them with pytest-drover."""

import queue
import threading

import pytest
from awscrt import mqtt5, mqtt_request_response
from awsiot import ServiceStreamOptions, V2ServiceException, iotjobs

THING, PATIENCE = "pump-7", 60


class Firmware(threading.Thread):
    """The device under test: it knows nothing of Drover but a port. It asks for its next job when it starts, when it
    hears of one, and when it is polled; it installs, and reports."""

    def __init__(self, drover):
        super().__init__(daemon=True)
        self.installed, self.news, self.over = [], queue.Queue(), False
        self.install = lambda job: None  # the work
        self.client = mqtt5.Client(mqtt5.ClientOptions(
            host_name=drover.mqtt_host, port=drover.mqtt_port, min_reconnect_delay_ms=1, max_reconnect_delay_ms=100,
            connect_options=mqtt5.ConnectPacket(client_id=THING, keep_alive_interval_sec=60),
            on_lifecycle_event_stopped_fn=lambda _: self.stopped.set()))
        self.stopped, subscribed = threading.Event(), threading.Event()
        self.client.start()
        self.jobs = iotjobs.IotJobsClientV2(self.client, mqtt_request_response.ClientOptions(5, 2, 3))
        self.stream = self.jobs.create_next_job_execution_changed_stream(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=THING),
            ServiceStreamOptions(self.news.put, lambda _: subscribed.set()))
        self.stream.open()
        assert subscribed.wait(PATIENCE)
        self.start()

    def poll(self):
        self.news.put("look")

    def stop(self):
        self.over = True
        self.poll()
        self.join(PATIENCE)
        self.client.stop()
        self.stopped.wait(PATIENCE)

    def run(self):
        while not self.over:
            execution = self.ask("start_next_pending_job_execution", iotjobs.StartNextPendingJobExecutionRequest(thing_name=THING)).execution
            if execution:
                self.do(execution)
            else:
                self.news.get()

    def ask(self, operation, request):
        """The answer; an answer that does not come is asked for again."""
        while True:
            try:
                return getattr(self.jobs, operation)(request).result(PATIENCE)
            except V2ServiceException as error:
                if error.modeled_error:
                    return error.modeled_error
                if self.over:
                    raise

    def do(self, execution):
        if execution.job_id not in self.installed:
            if not self.report(execution, "IN_PROGRESS"):
                return
            self.install(execution.job_id)
            self.installed.append(execution.job_id)
        self.report(execution, "SUCCEEDED")

    def report(self, execution, status):
        """Whether the job is still ours. Who was overtaken looks again."""
        while True:
            answer = self.ask("update_job_execution", iotjobs.UpdateJobExecutionRequest(
                thing_name=THING, job_id=execution.job_id, status=status,
                expected_version=execution.version_number, include_job_execution_state=True))
            code = getattr(answer, "code", None)
            if code not in (None, iotjobs.RejectedErrorCode.VERSION_MISMATCH):
                return False
            execution.version_number = answer.execution_state.version_number
            if code is None:
                return True


@pytest.fixture
def firmware(drover, drover_faults):
    """A firmware that has found that it has no job, and waits for one."""
    drover.thing(THING)
    fault = drover_faults.inject(kind="duplicate", operation="start-next", direction="response")
    device = Firmware(drover)
    drover_faults.wait(fault["id"])
    drover_faults.clear()
    yield device
    device.stop()


def job(drover, id):
    drover.job(id, things=[THING], timeout_minutes=10)


def test_it_does_its_jobs(drover, firmware):
    for id in "fw-1", "fw-2":
        job(drover, id)
        drover.wait_job(id, "COMPLETED")
    assert firmware.installed == ["fw-1", "fw-2"]


def hangs(firmware, id):
    go_on = threading.Event()
    firmware.install = lambda job: go_on.wait(PATIENCE) if job == id else None
    return go_on


def busy(drover, id):
    drover.wait_until(lambda: drover.execution(THING, id), lambda e: e["versionNumber"] == 3)


def test_one_that_hangs_is_timed_out_and_goes_on(drover, drover_clock, firmware):
    go_on = hangs(firmware, "fw-1")
    job(drover, "fw-1")
    busy(drover, "fw-1")
    job(drover, "fw-2")
    assert drover_clock.advance(by="9m59s")["total"] == 0
    assert [f["status"] for f in drover_clock.advance(by="1s")["fired"]] == ["TIMED_OUT", "COMPLETED"]
    go_on.set()  # its report comes too late
    drover.wait_job("fw-2", "COMPLETED")
    assert drover.execution(THING, "fw-1")["status"] == "TIMED_OUT"


def test_a_job_is_cancelled_in_the_middle(drover, firmware):
    go_on = hangs(firmware, "fw-1")
    job(drover, "fw-1")
    busy(drover, "fw-1")
    drover.cancel_job("fw-1", force=True)
    go_on.set()
    job(drover, "fw-2")
    drover.wait_job("fw-2", "COMPLETED")
    assert drover.execution(THING, "fw-1")["status"] == "CANCELED"


def test_a_notification_is_lost(drover, drover_faults, firmware):
    fault = drover_faults.inject(kind="drop", operation="notify-next")
    job(drover, "fw")
    drover_faults.wait(fault["id"])
    assert drover.execution(THING, "fw")["status"] == "QUEUED"
    firmware.poll()
    drover.wait_job("fw", "COMPLETED")


def test_a_notification_comes_twice(drover, drover_faults, firmware):
    fault = drover_faults.inject(kind="duplicate", direction="notification", count=0)
    for id in "fw-1", "fw-2":
        job(drover, id)
        drover.wait_job(id, "COMPLETED")
    drover_faults.wait(fault["id"], 2)
    assert firmware.installed == ["fw-1", "fw-2"]


def test_another_was_faster(drover, drover_faults, firmware):
    fault = drover_faults.inject(kind="staleVersion", operation="update", skip=1)
    job(drover, "fw")
    # Queued, started, its report, another's change, its success.
    assert drover.wait_execution(THING, "fw", "SUCCEEDED")["versionNumber"] == 5
    drover_faults.wait(fault["id"])
    assert firmware.installed == ["fw"]


@pytest.mark.parametrize("direction", ["request", "response"])
def test_the_connection_is_lost(drover, drover_faults, firmware, direction):
    # The second update is its success: before or after it took effect.
    drover_faults.inject(kind="disconnect", operation="update", direction=direction, skip=1)
    job(drover, "fw-1")
    drover.wait_job("fw-1", "COMPLETED")
    firmware.poll()  # it may have missed a notification meanwhile
    job(drover, "fw-2")
    firmware.poll()
    drover.wait_job("fw-2", "COMPLETED")
    assert firmware.installed == ["fw-1", "fw-2"]
