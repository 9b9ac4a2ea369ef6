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

    def __init__(self, drover, thing, install):
        super().__init__(daemon=True)
        self.thing, self.install = thing, install  # install is the work; what it cannot do is an OSError
        self.installed, self.heard, self.news, self.over = [], [], queue.Queue(), False
        self.client = mqtt5.Client(mqtt5.ClientOptions(
            host_name=drover.mqtt_host, port=drover.mqtt_port, min_reconnect_delay_ms=1, max_reconnect_delay_ms=100,
            connect_options=mqtt5.ConnectPacket(client_id=thing, keep_alive_interval_sec=60),
            on_lifecycle_event_stopped_fn=lambda _: self.stopped.set()))
        self.stopped, subscribed = threading.Event(), threading.Event()
        self.client.start()
        self.jobs = iotjobs.IotJobsClientV2(self.client, mqtt_request_response.ClientOptions(5, 2, 3))
        self.stream = self.jobs.create_next_job_execution_changed_stream(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=thing),
            ServiceStreamOptions(self.hear, lambda _: subscribed.set()))
        self.stream.open()
        assert subscribed.wait(PATIENCE)
        self.start()

    def hear(self, event):
        self.heard.append(event.execution and event.execution.job_id)
        self.poll()

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
            execution = self.ask("start_next_pending_job_execution", iotjobs.StartNextPendingJobExecutionRequest(thing_name=self.thing)).execution
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
            try:
                self.install(execution.job_id)
            except OSError:
                self.report(execution, "FAILED")
                return
            self.installed.append(execution.job_id)
        self.report(execution, "SUCCEEDED")

    def report(self, execution, status):
        """Whether this attempt at the job is still ours. Who was overtaken looks again."""
        while True:
            answer = self.ask("update_job_execution", iotjobs.UpdateJobExecutionRequest(
                thing_name=self.thing, job_id=execution.job_id, execution_number=execution.execution_number, status=status,
                expected_version=execution.version_number, include_job_execution_state=True))
            code = getattr(answer, "code", None)
            if code not in (None, iotjobs.RejectedErrorCode.VERSION_MISMATCH):
                return False
            execution.version_number = answer.execution_state.version_number
            if code is None:
                return True


def works(job):
    pass


def breaks(job):
    raise OSError("the checksum is wrong")


@pytest.fixture
def boot(drover):
    """Starts firmwares, which end with the test."""
    booted = []

    def start(thing, install=works):
        booted.append(Firmware(drover, thing, install))
        return booted[-1]

    yield start
    for device in booted:
        device.stop()


def looks(drover_faults, thing):
    """Notices when a thing asks for its next job."""
    return drover_faults.inject(thing=thing, kind="duplicate", operation="start-next", direction="response")["id"]


@pytest.fixture
def firmware(drover, drover_faults, boot):
    """A firmware that has found that it has no job, and waits for one."""
    drover.thing(THING)
    looked = looks(drover_faults, THING)
    device = boot(THING)
    drover_faults.wait(looked)
    drover_faults.clear()
    return device


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


def busy(drover, id, thing=THING):
    # Queued, started, its report.
    drover.wait_until(lambda: drover.execution(thing, id), lambda e: e["versionNumber"] == 3)


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


@pytest.mark.parametrize("attempts", [["FAILED", "FAILED", "SUCCEEDED"], ["FAILED", "FAILED", "FAILED"]], ids=" ".join)
def test_one_that_fails_is_given_its_job_again_while_there_are_retries(drover, firmware, attempts):
    installations = iter([breaks, breaks, works if attempts[2] == "SUCCEEDED" else breaks])
    firmware.install = lambda job: next(installations)(job)
    drover.job("fw", things=[THING], retries={"FAILED": 2})
    drover.wait_job("fw", "COMPLETED")  # and nobody has moved the clock
    assert drover.attempts(THING, "fw") == attempts


def test_one_that_hangs_is_given_its_job_again_while_there_are_retries(drover, drover_clock, firmware):
    stuck = queue.Queue()

    def hang(id):
        if id == "fw":
            stuck.get(timeout=PATIENCE)
            raise OSError("it hung")

    firmware.install = hang
    drover.job("fw", things=[THING], timeout_minutes=10, retries={"TIMED_OUT": 1})
    for fired in [(1, "TIMED_OUT"), (2, "QUEUED")], [(2, "TIMED_OUT"), (None, "COMPLETED")]:
        busy(drover, "fw")
        assert drover_clock.advance(by="9m59s")["total"] == 0
        assert [(f.get("executionNumber"), f["status"]) for f in drover_clock.advance(by="1s")["fired"]] == fired
        stuck.put("go on")  # it reports the attempt that is over, and not the next
    job(drover, "works")
    drover.wait_job("works", "COMPLETED")
    assert drover.attempts(THING, "fw") == ["TIMED_OUT", "TIMED_OUT"]


def test_a_job_is_aborted(drover, drover_clock, drover_faults, boot):
    fleet = ["breaks", "works", "works-too", "breaks-too", "slow", "idle"]
    drover.thing(*fleet)
    looked = looks(drover_faults, "idle")
    idle = boot("idle")
    drover_faults.wait(looked)

    lost = drover_faults.inject(thing="idle", kind="drop", operation="notify-next")
    drover.job("fw", things=fleet, abort=[{"failureType": "FAILED", "thresholdPercentage": 50, "minNumberOfExecutedThings": 3}])
    drover_faults.wait(lost["id"])  # it knows nothing of its job, which stays queued
    looked = looks(drover_faults, "idle")
    go_on = threading.Event()
    boot("slow", lambda job: go_on.wait(PATIENCE))
    busy(drover, "fw", "slow")

    for thing, install, ends, now, waiting in [
        ("breaks", breaks, "FAILED", "IN_PROGRESS", "QUEUED"),  # 1 of 1, fewer than three
        ("works", works, "SUCCEEDED", "IN_PROGRESS", "QUEUED"),  # 1 of 2, fewer than three
        ("works-too", works, "SUCCEEDED", "IN_PROGRESS", "QUEUED"),  # 1 of 3, less than half
        ("breaks-too", breaks, "FAILED", "CANCELED", "CANCELED"),  # 2 of 4
    ]:
        boot(thing, install)
        drover.wait_execution(thing, "fw", ends)
        drover_clock.now()  # what follows at once has happened
        assert (drover.job_status("fw"), drover.execution("idle", "fw")["status"]) == (now, waiting), thing

    drover_faults.wait(looked)  # it was told, and looked
    assert idle.heard == [None] and idle.installed == []
    go_on.set()  # what had begun goes on
    drover.wait_execution("slow", "fw", "SUCCEEDED")
    assert drover.job_status("fw") == "CANCELED"


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
