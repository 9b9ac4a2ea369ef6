"""A Drover for tests in Python: `drover dev --clock virtual` as a child process.

The contract of clock, faults and changes is docs/dev-api.md of Drover.
"""

from __future__ import annotations

import collections
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

__all__ = ["Clock", "Drover", "Faults", "Refused"]

# How long, in real time, a server may take to start and to end, and a state to come.
PATIENCE = 60.0


class Refused(Exception):
    """What the service has refused: its status, its type and its message."""

    def __init__(self, status: int, type: str, message: str):
        super().__init__(f"{status} {type}: {message}")
        self.status, self.type, self.message = status, type, message


class Drover:
    """A server, from the start of a `with` block to its end.

    flags are more flags of `drover dev`; binary is the program, else DROVER_BIN, else `drover` of the PATH.
    """

    def __init__(self, *flags: str, binary: str | None = None, clock: str = "virtual", patience: float = PATIENCE):
        self.binary = binary or os.environ.get("DROVER_BIN") or shutil.which("drover")
        self.flags, self.mode, self.patience = list(flags), clock, patience
        self.clock, self.faults = Clock(self), Faults(self)
        self.ready: dict = {}
        self._process: subprocess.Popen | None = None
        self._said: collections.deque[str] = collections.deque(maxlen=200)

    def __enter__(self) -> Drover:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and reads the line that it says when it is ready."""
        if not self.binary:
            raise FileNotFoundError("the drover binary is not on the PATH: name it with DROVER_BIN")
        self._home = tempfile.TemporaryDirectory(prefix="drover-test-")
        env = {k: v for k, v in os.environ.items() if not k.startswith("DROVER_")} | {"TMPDIR": self._home.name}
        self._process = subprocess.Popen(
            [self.binary, "dev", "--clock", self.mode, "--mqtt-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", *self.flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        overdue = threading.Timer(self.patience, self._process.kill)
        overdue.start()
        line = self._process.stdout.readline()
        overdue.cancel()
        if not line:
            self.stop()
            raise RuntimeError(f"drover did not start: {self.log}")
        self.ready = json.loads(line)

    def _listen(self) -> None:
        for line in self._process.stderr:
            self._said.append(line)

    def stop(self) -> None:
        """Ends the server, and takes its files away."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self.patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._listener.join()
        process.stdout.close()
        process.stderr.close()
        self._home.cleanup()

    @property
    def log(self) -> str:
        """The last lines that the server has logged."""
        return "".join(self._said)

    @property
    def mqtt(self) -> str:
        """host:port of the plaintext MQTT door."""
        return self.ready["mqtt"]

    @property
    def mqtt_host(self) -> str:
        return self.mqtt.rpartition(":")[0]

    @property
    def mqtt_port(self) -> int:
        return int(self.mqtt.rpartition(":")[2])

    @property
    def http(self) -> str:
        """URL of the HTTP door."""
        return "http://" + self.ready["http"]

    @property
    def aws(self) -> dict:
        """What boto3.client needs to know."""
        return {"endpoint_url": self.http, "region_name": "us-east-1",
                "aws_access_key_id": "drover", "aws_secret_access_key": "drover"}

    def call(self, method: str, path: str, body=None):
        """One request of the control plane, or under /drover/v1/; raises Refused."""
        data = None if body is None else json.dumps(body).encode()
        # The scope of a signature tells the planes apart; dev does not verify it.
        request = urllib.request.Request(self.http + path, data, method=method, headers={
            "Authorization": "AWS4-HMAC-SHA256 Credential=drover/20260101/us-east-1/iot/aws4_request, "
                             "SignedHeaders=host;x-amz-date, Signature=" + 64 * "0",
            "X-Amz-Date": "20260101T000000Z", "Content-Type": "application/json"})
        try:
            with _opener.open(request) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                try:
                    message = json.load(error).get("message", "")
                except ValueError:
                    message = ""
                raise Refused(error.code, error.headers.get("x-amzn-ErrorType", ""), message) from None
        return json.loads(text) if text else None

    def thing(self, *names: str) -> None:
        for name in names:
            self.call("POST", f"/things/{_quote(name)}", {})

    def group(self, name: str, *things: str) -> None:
        self.call("POST", f"/thing-groups/{_quote(name)}", {})
        for thing in things:
            self.call("PUT", "/thing-groups/addThingToThingGroup", {"thingGroupName": name, "thingName": thing})

    def job(self, id: str, *, things=(), groups=(), document: dict | str = "{}", timeout_minutes: int | None = None,
            retries: dict[str, int] | None = None, abort: list[dict] | None = None, **config) -> None:
        """Creates a job. What its rollout allows at once is queued then.

        retries is how often a thing is given the job again: {"FAILED": 2, "TIMED_OUT": 1}, or "ALL" alone. abort is the
        criteria that cancel the job, such as {"failureType": "FAILED", "thresholdPercentage": 20,
        "minNumberOfExecutedThings": 10}. config is the rest of CreateJob, by AWS's names.
        """
        arn = "arn:aws:iot:us-east-1:000000000000:"
        body = {"targets": [f"{arn}thing/{t}" for t in things] + [f"{arn}thinggroup/{g}" for g in groups],
                "document": document if isinstance(document, str) else json.dumps(document), **config}
        if timeout_minutes:
            body["timeoutConfig"] = {"inProgressTimeoutInMinutes": timeout_minutes}
        if retries:
            body["jobExecutionsRetryConfig"] = {"criteriaList": [
                {"failureType": failure, "numberOfRetries": number} for failure, number in retries.items()]}
        if abort:
            body["abortConfig"] = {"criteriaList": [{"action": "CANCEL", **criterion} for criterion in abort]}
        self.call("PUT", f"/jobs/{_quote(id)}", body)
        self.clock.now()

    def cancel_job(self, id: str, *, force: bool = False) -> None:
        self.call("PUT", f"/jobs/{_quote(id)}/cancel?force={str(force).lower()}", {})
        self.clock.now()

    def execution(self, thing: str, job: str) -> dict | None:
        """What a thing has of a job, as DescribeJobExecution has it; None if that is nothing."""
        return self._found(f"/things/{_quote(thing)}/jobs/{_quote(job)}", "execution")

    def attempts(self, thing: str, job: str) -> list[str]:
        """The statuses of all that a thing has had of a job, the first attempt first."""
        listed = self.call("GET", f"/things/{_quote(thing)}/jobs?jobId={_quote(job)}")["executionSummaries"]
        summaries = [each["jobExecutionSummary"] for each in listed]
        return [each["status"] for each in sorted(summaries, key=lambda each: each["executionNumber"])]

    def job_status(self, id: str) -> str | None:
        return (self._found(f"/jobs/{_quote(id)}", "job") or {}).get("status")

    def _found(self, path: str, member: str) -> dict | None:
        try:
            return self.call("GET", path)[member]
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def wait_execution(self, thing: str, job: str, status: str) -> dict:
        return self.wait_until(lambda: self.execution(thing, job), lambda e: e and e["status"] == status,
                               f"{job} on {thing} is {status}")

    def wait_job(self, id: str, status: str) -> None:
        self.wait_until(lambda: self.job_status(id), lambda s: s == status, f"job {id} is {status}")

    def wait_until(self, look, is_it=bool, what: str = "it is so"):
        """Looks, and again whenever something has changed, until is_it(what it sees)."""
        end = time.monotonic() + self.patience
        seq = self.call("GET", "/drover/v1/changes")["seq"]
        while not is_it(state := look()):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"waited in vain until {what}; it is {state}")
            seq = self._change(seq, left)
        return state

    def _change(self, seq: int, left: float) -> int:
        try:
            with _opener.open(f"{self.http}/drover/v1/changes?after={seq}", timeout=left) as answer:
                return json.load(answer)["seq"]
        except TimeoutError:
            return seq


# Loopback is never behind a proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _quote(name: str) -> str:
    return urllib.parse.quote(name, safe="")


class Clock:
    """The clock of a Drover."""

    def __init__(self, drover: Drover):
        self._drover = drover

    def state(self) -> dict:
        return self._drover.call("GET", "/drover/v1/clock")

    def now(self) -> float:
        """Domain time, in epoch seconds. What is due now has happened when it returns."""
        return self.state()["now"]

    def advance(self, *, by=None, to=None, until=None, at_most=None) -> dict:
        """Moves the clock, and tells what fired: by "45m" or seconds, to epoch seconds or RFC 3339, until "idle"."""
        body = {"by": by, "to": to, "until": until, "atMost": at_most}
        return self._drover.call("POST", "/drover/v1/clock/advance", {k: v for k, v in body.items() if v is not None})


class Faults:
    """The faults of a Drover."""

    def __init__(self, drover: Drover):
        self._drover = drover

    def inject(self, **fault) -> dict:
        """Puts a fault in force: the keys of POST /drover/v1/faults."""
        return self._drover.call("POST", "/drover/v1/faults", fault)

    def list(self) -> list[dict]:
        return self._drover.call("GET", "/drover/v1/faults")["faults"]

    def report(self) -> list[dict]:
        """What was injected, when, to whom."""
        return self._drover.call("GET", "/drover/v1/faults/report")["injected"]

    def wait(self, id: str, times: int = 1) -> None:
        """Returns when the fault has disturbed so many messages."""
        self._drover.wait_until(lambda: sum(i["fault"] == id for i in self.report()), lambda n: n >= times,
                                f"fault {id} was injected {times} times")

    def delete(self, id: str) -> None:
        self._drover.call("DELETE", f"/drover/v1/faults/{_quote(id)}")

    def clear(self) -> None:
        self._drover.call("DELETE", "/drover/v1/faults")
