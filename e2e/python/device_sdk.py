"""A device made with awsiotsdk: it hears of a job, runs it to its end and hears of the next.

    python device_sdk.py v1|v2 3.1.1|5 mtls|websocket

v1 and v2 are the two generations of the SDK's Jobs client. Where the server is and who the device is comes from the
environment: THING, HOST, PORT (none is the SDK's own choice), CA, and CERT and KEY or AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and AWS_REGION. What it hears goes to stdout, a JSON object a line.
"""

import concurrent.futures
import datetime
import json
import os
import queue
import sys
import threading

from awscrt import auth, mqtt, mqtt5, mqtt_request_response
from awsiot import ModeledClass, ServiceStreamOptions, V2ServiceException, iotjobs, mqtt5_client_builder, mqtt_connection_builder

generation, protocol, door = sys.argv[1:]
THING, QOS, PATIENCE = os.environ["THING"], mqtt.QoS.AT_LEAST_ONCE, 60


def wire(value):
    """A value of the SDK as the JSON that it was: seconds, camel case, no None."""
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    if isinstance(value, list):
        return [wire(item) for item in value]
    if isinstance(value, ModeledClass):
        names = {name: name.split("_") for name in value.__slots__ if getattr(value, name) is not None}
        return {words[0] + "".join(map(str.title, words[1:])): wire(getattr(value, name)) for name, words in names.items()}
    return value


def tell(event, value=None):
    print(json.dumps({"event": event, **(wire(value) if value else {})}), flush=True)


def connect():
    """The connection as the Jobs client takes it, and the function that ends it."""
    builder = mqtt5_client_builder if protocol == "5" else mqtt_connection_builder
    where = {"endpoint": os.environ["HOST"], "port": int(os.environ.get("PORT") or 0) or None,
             "ca_filepath": os.environ["CA"], "client_id": THING}
    connected, stopped = concurrent.futures.Future(), concurrent.futures.Future()
    if protocol == "5":
        where |= {"on_lifecycle_connection_success": connected.set_result, "on_lifecycle_stopped": stopped.set_result,
                  "on_lifecycle_connection_failure": lambda failure: connected.set_exception(failure.exception)}
    else:
        where |= {"clean_session": True}
    if door == "mtls":
        client = builder.mtls_from_path(os.environ["CERT"], os.environ["KEY"], **where)
    else:
        provider = auth.AwsCredentialsProvider.new_default_chain()
        client = builder.websockets_with_default_aws_signing(os.environ["AWS_REGION"], provider, **where)
    if protocol == "3.1.1":
        client.connect().result(PATIENCE)
        return client, lambda: client.disconnect().result(PATIENCE)
    client.start()
    connected.result(PATIENCE)
    return client, lambda: (client.stop(), stopped.result(PATIENCE))


class Rejected(Exception):
    pass


class FirstGeneration:
    """Subscribes to accepted and rejected, publishes, and tells the replies apart by the client token."""

    OPERATIONS = {
        "get_pending_job_executions": iotjobs.GetPendingJobExecutionsSubscriptionRequest(thing_name=THING),
        "start_next_pending_job_execution": iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name=THING),
        "describe_job_execution": iotjobs.DescribeJobExecutionSubscriptionRequest(thing_name=THING, job_id="$next"),
        "update_job_execution": iotjobs.UpdateJobExecutionSubscriptionRequest(thing_name=THING, job_id="+"),
    }

    def __init__(self, client):
        self.jobs, self.waiting = iotjobs.IotJobsClient(client), {}
        for operation, request in self.OPERATIONS.items():
            for outcome, hear in {"accepted": self.accepted, "rejected": self.rejected}.items():
                suback, _ = getattr(self.jobs, f"subscribe_to_{operation}_{outcome}")(request, QOS, hear)
                suback.result(PATIENCE)

    def accepted(self, reply):
        self.waiting[reply.client_token].set_result(reply)

    def rejected(self, reply):
        self.waiting[reply.client_token].set_exception(Rejected(reply))

    def ask(self, operation, request):
        request.client_token = f"{THING}-{len(self.waiting) + 1}"
        reply = self.waiting[request.client_token] = concurrent.futures.Future()
        getattr(self.jobs, f"publish_{operation}")(request, QOS).result(PATIENCE)
        return reply.result(PATIENCE)

    def on_next(self, hear):
        suback, _ = self.jobs.subscribe_to_next_job_execution_changed_events(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=THING), QOS, hear)
        suback.result(PATIENCE)


class SecondGeneration:
    """Does all of that by itself; a rejection is the modeled error of a V2ServiceException."""

    def __init__(self, client):
        self.jobs = iotjobs.IotJobsClientV2(client, mqtt_request_response.ClientOptions(5, 2))

    def ask(self, operation, request):
        try:
            return getattr(self.jobs, operation)(request).result(PATIENCE)
        except V2ServiceException as error:
            raise Rejected(error.modeled_error) if error.modeled_error else error

    def on_next(self, hear):
        subscribed = threading.Event()
        self.stream = self.jobs.create_next_job_execution_changed_stream(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=THING),
            ServiceStreamOptions(hear, lambda _: subscribed.set()))
        self.stream.open()
        assert subscribed.wait(PATIENCE), "no SUBACK for notify-next"


def main():
    client, disconnect = connect()
    jobs = FirstGeneration(client) if generation == "v1" else SecondGeneration(client)
    heard = queue.Queue()
    jobs.on_next(heard.put)

    def following():
        """The next execution that is announced; a queue that is empty for a moment is none."""
        while not (event := heard.get(timeout=PATIENCE)).execution:
            pass
        return event

    def start_next(**arguments):
        return jobs.ask("start_next_pending_job_execution",
                        iotjobs.StartNextPendingJobExecutionRequest(thing_name=THING, **arguments))

    def update(job_id, **arguments):
        return jobs.ask("update_job_execution", iotjobs.UpdateJobExecutionRequest(thing_name=THING, job_id=job_id, **arguments))

    tell("ready", jobs.ask("get_pending_job_executions", iotjobs.GetPendingJobExecutionsRequest(thing_name=THING)))
    tell("heard", following())
    job = start_next(status_details={"step": "begin"}).execution
    print(json.dumps({"event": "started", "execution": wire(job)}), flush=True)
    tell("updated", update(job.job_id, execution_number=job.execution_number, status=iotjobs.JobStatus.IN_PROGRESS,
                           status_details={"pct": "50"}, expected_version=job.version_number, include_job_execution_state=True))
    try:
        update(job.job_id, status=iotjobs.JobStatus.SUCCEEDED, expected_version=job.version_number)
    except Rejected as error:
        tell("rejected", error.args[0])
    tell("succeeded", update(job.job_id, status=iotjobs.JobStatus.SUCCEEDED, status_details={"pct": "100"},
                             expected_version=job.version_number + 1))
    tell("next", following())
    described = jobs.ask("describe_job_execution", iotjobs.DescribeJobExecutionRequest(thing_name=THING, job_id="$next"))
    tell("described", described)
    update(described.execution.job_id, status=iotjobs.JobStatus.REJECTED)
    tell("empty", start_next())
    disconnect()
    tell("disconnected")


main()
