"""Keeps a plant's registry with boto3: types, hierarchies, tags and events.

The endpoint, region, credentials and CA come from the environment. It does what
Terraform's provider relies on.
"""

import datetime

import boto3

from checks import raises, run

iot = boto3.client("iot")
ARN = "arn:aws:iot:us-east-1:000000000000:"


def status(response):
    return response["ResponseMetadata"]["HTTPStatusCode"]


def pages(operation, key, **kwargs):
    paginator = iot.get_paginator(operation)
    return [item for page in paginator.paginate(PaginationConfig={"PageSize": 2}, **kwargs) for item in page[key]]


def check_a_thing_type_is_created_described_and_updated():
    properties = {"thingTypeDescription": "moves water", "searchableAttributes": ["site"]}
    first = iot.create_thing_type(thingTypeName="pump", thingTypeProperties=properties)
    assert iot.create_thing_type(thingTypeName="pump", thingTypeProperties=properties)["thingTypeId"] == first["thingTypeId"]
    response = raises(iot.exceptions.ResourceAlreadyExistsException, iot.create_thing_type, thingTypeName="pump")
    assert response["resourceArn"] == ARN + "thingtype/pump", response
    iot.update_thing_type(thingTypeName="pump", thingTypeProperties={"thingTypeDescription": "moves"})
    is_ = iot.describe_thing_type(thingTypeName="pump")
    assert is_["thingTypeProperties"] == {"thingTypeDescription": "moves", "searchableAttributes": ["site"]}, is_
    assert isinstance(is_["thingTypeMetadata"]["creationDate"], datetime.datetime), is_


def check_thing_types_are_listed_in_pages():
    for n in range(4):
        iot.create_thing_type(thingTypeName=f"type-{n}")
    assert [t["thingTypeName"] for t in pages("list_thing_types", "thingTypes")] == ["pump"] + [f"type-{n}" for n in range(4)]


def check_a_deprecated_type_waits_five_minutes_in_the_words_that_terraform_matches():
    iot.deprecate_thing_type(thingTypeName="type-0")
    response = raises(iot.exceptions.InvalidRequestException, iot.delete_thing_type, thingTypeName="type-0")
    assert status(response) == 400 and "Please wait for 5 minutes after deprecation and then retry" in response["message"], response
    iot.deprecate_thing_type(thingTypeName="type-0", undoDeprecate=True)
    assert iot.describe_thing_type(thingTypeName="type-0")["thingTypeMetadata"]["deprecated"] is False


def check_a_thing_has_fifty_attributes_with_a_type():
    attributes = {f"a{n}": "1" for n in range(50)}
    iot.create_thing(thingName="pump-1", thingTypeName="pump", attributePayload={"attributes": attributes})
    raises(iot.exceptions.InvalidRequestException, iot.update_thing, thingName="pump-1", removeThingType=True)
    assert [t["thingTypeName"] for t in pages("list_things", "things", thingTypeName="pump")] == ["pump"]


def check_what_propagates_attributes_is_refused_by_name():
    configuration = {"propagatingAttributes": [{"userPropertyKey": "k", "thingAttribute": "a"}]}
    try:
        iot.create_thing_type(thingTypeName="x", thingTypeProperties={"mqtt5Configuration": configuration})
    except iot.exceptions.ClientError as e:
        assert status(e.response) == 501 and "mqtt5Configuration" in str(e), e
    else:
        raise AssertionError("it was accepted")


def check_groups_are_below_their_parent():
    iot.create_thing_group(thingGroupName="plant")
    for name, parent in (("line-a", "plant"), ("line-b", "plant"), ("bay", "line-a")):
        iot.create_thing_group(thingGroupName=name, parentGroupName=parent)
    metadata = iot.describe_thing_group(thingGroupName="bay")["thingGroupMetadata"]
    assert [g["groupName"] for g in metadata["rootToParentThingGroups"]] == ["plant", "line-a"], metadata
    below = [g["groupName"] for g in pages("list_thing_groups", "thingGroups", parentGroup="plant", recursive=True)]
    assert below == ["line-a", "bay", "line-b"], below


def check_a_group_is_cleared_as_terraform_does():
    iot.update_thing_group(thingGroupName="bay", thingGroupProperties={"attributePayload": {"attributes": {"k": "v"}}})
    answer = iot.update_thing_group(thingGroupName="bay", thingGroupProperties={"attributePayload": {"attributes": {}}}, expectedVersion=2)
    assert answer["version"] == 3, answer
    response = raises(iot.exceptions.VersionConflictException, iot.update_thing_group, thingGroupName="bay", thingGroupProperties={}, expectedVersion=2)
    assert status(response) == 409, response
    assert "attributePayload" not in iot.describe_thing_group(thingGroupName="bay")["thingGroupProperties"]


def check_a_thing_moves_within_a_hierarchy_at_once():
    iot.add_thing_to_thing_group(thingGroupName="bay", thingName="pump-1")
    raises(iot.exceptions.InvalidRequestException, iot.add_thing_to_thing_group, thingGroupName="plant", thingName="pump-1")
    iot.update_thing_groups_for_thing(thingName="pump-1", thingGroupsToAdd=["line-b"], thingGroupsToRemove=["bay"])
    assert pages("list_things_in_thing_group", "things", thingGroupName="plant", recursive=True) == ["pump-1"]


def check_a_group_with_children_stays_in_the_words_that_terraform_matches():
    response = raises(iot.exceptions.InvalidRequestException, iot.delete_thing_group, thingGroupName="line-a")
    assert "there are still child groups attached" in response["message"], response


def check_tags_are_set_listed_and_taken_away():
    arn = ARN + "thinggroup/plant"
    assert pages_of_tags(arn) == {}
    iot.tag_resource(resourceArn=arn, tags=[{"Key": f"k{n}", "Value": str(n)} for n in range(50)])
    assert len(pages_of_tags(arn)) == 50
    response = raises(iot.exceptions.LimitExceededException, iot.tag_resource, resourceArn=arn, tags=[{"Key": "more", "Value": ""}])
    assert status(response) == 410, response
    iot.untag_resource(resourceArn=arn, tagKeys=[f"k{n}" for n in range(49)])
    assert pages_of_tags(arn) == {"k49": "49"}
    raises(iot.exceptions.ResourceNotFoundException, iot.list_tags_for_resource, resourceArn=ARN + "thinggroup/nobody")


def pages_of_tags(arn):
    paginator = iot.get_paginator("list_tags_for_resource")
    return {t["Key"]: t["Value"] for page in paginator.paginate(resourceArn=arn) for t in page["tags"]}


def check_event_configurations_are_merged_and_always_eleven():
    iot.update_event_configurations(eventConfigurations={"JOB": {"Enabled": True}})
    iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})
    answer = iot.describe_event_configurations()
    assert len(answer["eventConfigurations"]) == 11, answer
    assert sorted(k for k, v in answer["eventConfigurations"].items() if v["Enabled"]) == ["JOB", "THING"], answer
    assert answer["creationDate"] <= answer["lastModifiedDate"], answer


run(globals())
