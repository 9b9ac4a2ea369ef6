"""Drives both planes with boto3, as a Python operator would.

The endpoint, region, credentials and CA come from the environment.
"""

import datetime
import json

import boto3
import botocore.exceptions

from checks import raises, run, until

iot = boto3.client("iot")
jobs = boto3.client("iot-jobs-data")
ARN = "arn:aws:iot:us-east-1:000000000000:"
THINGS = [f"py-{n}" for n in range(7)]


def check_things_are_created_and_their_versions_count():
    for name in THINGS:
        made = iot.create_thing(thingName=name, attributePayload={"attributes": {"n": name}})
        assert made["thingArn"] == ARN + "thing/" + name, made
    iot.update_thing(thingName="py-0", attributePayload={"attributes": {}})
    thing = iot.describe_thing(thingName="py-0")
    assert (thing["version"], thing["attributes"]) == (2, {}), thing


def check_a_missing_thing_is_the_modelled_exception():
    response = raises(iot.exceptions.ResourceNotFoundException, iot.describe_thing, thingName="nobody")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 404


def check_an_existing_name_carries_the_resource():
    response = raises(
        iot.exceptions.ResourceAlreadyExistsException,
        iot.create_thing,
        thingName="py-1",
        attributePayload={"attributes": {"other": "x"}},
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert response["resourceArn"] == ARN + "thing/py-1", response


def check_a_stale_version_is_the_modelled_exception():
    raises(iot.exceptions.VersionConflictException, iot.update_thing, thingName="py-0", expectedVersion=1)


def check_limits_are_checked_by_the_server():
    raises(iot.exceptions.InvalidRequestException, iot.create_thing, thingName="x" * 129)
    raises(iot.exceptions.InvalidRequestException, iot.list_things, maxResults=251)


def check_groups_hold_their_things():
    iot.create_thing_group(thingGroupName="line")
    iot.create_thing_group(thingGroupName="cell")
    for name in THINGS:
        iot.add_thing_to_thing_group(thingGroupName="cell", thingName=name)
    born = iot.describe_thing_group(thingGroupName="cell")["thingGroupMetadata"]["creationDate"]
    age = datetime.datetime.now(datetime.timezone.utc) - born
    assert abs(age) < datetime.timedelta(hours=1), born


def pages(operation, key, size=2, **arguments):
    """Walks a paginator in pages of size; gives the number of pages and all items."""
    paginator = iot.get_paginator(operation)
    found = list(paginator.paginate(PaginationConfig={"PageSize": size}, **arguments))
    return len(found), [item for page in found for item in page[key]]


def check_paginators_walk_every_page_once():
    count, things = pages("list_things", "things")
    assert count >= 4 and sorted(t["thingName"] for t in things) == THINGS, (count, things)
    count, names = pages("list_things_in_thing_group", "things", thingGroupName="cell")
    assert count >= 4 and sorted(names) == THINGS, (count, names)
    _, groups = pages("list_thing_groups", "thingGroups", size=1)
    assert sorted(g["groupName"] for g in groups) == ["cell", "line"], groups
    _, groups = pages("list_thing_groups_for_thing", "thingGroups", thingName="py-1")
    assert [g["groupName"] for g in groups] == ["cell"], groups


def check_a_job_on_a_group_reaches_its_things():
    iot.create_job(
        jobId="py-fw",
        targets=[ARN + "thinggroup/cell"],
        document=json.dumps({"op": "flash"}),
        timeoutConfig={"inProgressTimeoutInMinutes": 5},
    )
    until(lambda: iot.describe_job(jobId="py-fw")["job"]["jobProcessDetails"]["numberOfQueuedThings"], len(THINGS))
    count, summaries = pages("list_job_executions_for_job", "executionSummaries", jobId="py-fw")
    assert count >= 4 and [s["thingArn"] for s in summaries] == [ARN + "thing/" + n for n in THINGS], summaries
    _, summaries = pages("list_job_executions_for_thing", "executionSummaries", thingName="py-3")
    assert [s["jobId"] for s in summaries] == ["py-fw"], summaries
    _, listed = pages("list_jobs", "jobs", status="IN_PROGRESS")
    assert [j["jobId"] for j in listed] == ["py-fw"], listed
    assert json.loads(iot.get_job_document(jobId="py-fw")["document"]) == {"op": "flash"}


def check_the_same_job_id_is_refused():
    response = raises(
        iot.exceptions.ResourceAlreadyExistsException,
        iot.create_job,
        jobId="py-fw",
        targets=[ARN + "thing/py-0"],
        document="{}",
    )
    assert response["resourceArn"] == ARN + "job/py-fw", response


def check_a_device_works_over_https():
    pending = jobs.get_pending_job_executions(thingName="py-0")
    assert pending["inProgressJobs"] == [] and pending["queuedJobs"][0]["jobId"] == "py-fw", pending
    started = jobs.start_next_pending_job_execution(thingName="py-0", statusDetails={"a": "1"})["execution"]
    assert (started["status"], started["versionNumber"], started["thingName"]) == ("IN_PROGRESS", 2, "py-0"), started
    assert 0 <= started["approximateSecondsBeforeTimedOut"] <= 300, started
    assert json.loads(started["jobDocument"]) == {"op": "flash"}, started
    # The model of this plane has plain numbers: whole seconds, no dates.
    assert isinstance(started["startedAt"], int) and abs(started["startedAt"] - datetime.datetime.now().timestamp()) < 3600
    again = jobs.start_next_pending_job_execution(thingName="py-0", statusDetails={"a": "2"})["execution"]
    assert (again["versionNumber"], again["statusDetails"]) == (2, {"a": "1"}), again
    state = jobs.update_job_execution(
        thingName="py-0",
        jobId="py-fw",
        status="IN_PROGRESS",
        statusDetails={"tail": "line 1\nline 2"},
        expectedVersion=2,
        includeJobExecutionState=True,
    )["executionState"]
    assert state == {"status": "IN_PROGRESS", "statusDetails": {"tail": "line 1\nline 2"}, "versionNumber": 3}, state


def check_a_stale_expected_version_is_the_modelled_409():
    response = raises(
        jobs.exceptions.InvalidStateTransitionException,
        jobs.update_job_execution,
        thingName="py-0",
        jobId="py-fw",
        status="SUCCEEDED",
        expectedVersion=2,
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409


def check_more_than_ten_details_are_refused():
    raises(
        jobs.exceptions.InvalidRequestException,
        jobs.update_job_execution,
        thingName="py-0",
        jobId="py-fw",
        status="IN_PROGRESS",
        statusDetails={f"k{n}": "v" for n in range(11)},
    )


def check_a_finished_execution_is_terminal():
    jobs.update_job_execution(thingName="py-0", jobId="py-fw", status="FAILED")
    response = raises(jobs.exceptions.TerminalStateException, jobs.describe_job_execution, thingName="py-0", jobId="py-fw")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 410
    assert "execution" not in jobs.describe_job_execution(thingName="py-0", jobId="$next")
    execution = iot.describe_job_execution(thingName="py-0", jobId="py-fw")["execution"]
    assert execution["status"] == "FAILED" and execution["startedAt"] >= execution["queuedAt"], execution


def check_cancel_with_force_ends_every_execution():
    jobs.start_next_pending_job_execution(thingName="py-1")
    iot.cancel_job(jobId="py-fw", force=True, reasonCode="PY", comment="enough")
    until(lambda: iot.describe_job(jobId="py-fw")["job"]["jobProcessDetails"]["numberOfCanceledThings"], len(THINGS) - 1)
    job = iot.describe_job(jobId="py-fw")["job"]
    assert (job["status"], job["forceCanceled"], job["reasonCode"]) == ("CANCELED", True, "PY"), job
    raises(
        jobs.exceptions.InvalidStateTransitionException,
        jobs.update_job_execution,
        thingName="py-1",
        jobId="py-fw",
        status="SUCCEEDED",
    )


def check_a_known_operation_that_is_not_there_says_so():
    try:
        iot.list_job_templates()
    except botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 501, error.response
        assert "ListJobTemplates" in error.response["Error"]["Message"], error.response
    else:
        raise AssertionError("ListJobTemplates answered")


run(globals())
