"""Calls every operation of the pinned models that scope.tsv does not have, with what its model requires.

Also holds the tables of the server, which the operator's documents are made of, against the models themselves.
The endpoint, region, credentials and CA come from the environment, the folder of the tables as WIRE_TABLES.
"""

import os

import boto3
import botocore.config
import botocore.exceptions

from checks import run

PACKAGES = {"iot": "iot", "iot-jobs-data": "jobsdata"}
# What a member may hold is no matter here: the server looks at the operation first.
CONFIG = botocore.config.Config(parameter_validation=False, retries={"max_attempts": 0})
CLIENTS = {service: boto3.client(service, config=CONFIG) for service in PACKAGES}


def rows(path):
    with open(os.path.join(os.environ["WIRE_TABLES"], path)) as table:
        return [line.rstrip("\n").split("\t") for line in table if not line.startswith("#")][1:]


def example(shape):
    """The least value of a shape."""
    if shape.type_name == "structure":
        return {name: example(member) for name, member in shape.members.items() if name in shape.required_members}
    if shape.type_name == "list":
        return [example(shape.member)]
    if shape.type_name == "map":
        return {example(shape.key): example(shape.value)}
    if shape.type_name == "string":
        return (shape.enum or ["a" * max(1, shape.metadata.get("min", 1))])[0]
    return {"boolean": True, "blob": b"x", "timestamp": 1700000000}.get(shape.type_name, 1)


def members(shape, path=""):
    """Every member below a structure, as members.tsv names them."""
    for name, member in shape.members.items():
        yield path + name
        below = path + name
        while member.type_name in ("list", "map"):
            below, member = (below + "[]", member.member) if member.type_name == "list" else (below + "{}", member.value)
        if member.type_name == "structure":
            yield from members(member, below + ".")


def check_the_tables_have_every_operation_of_the_models():
    for service, package in PACKAGES.items():
        model = CLIENTS[service].meta.service_model
        assert [row[0] for row in rows(package + "/scope.tsv")] == sorted(model.operation_names), service


def check_the_tables_have_every_member_of_what_is_in():
    have = {(row[0], row[1]) for row in rows("members.tsv")}
    want = set()
    for service, package in PACKAGES.items():
        model = CLIENTS[service].meta.service_model
        for name, scope, _ in rows(package + "/scope.tsv"):
            if scope == "in":
                want |= {(f"{package}.{name}", path) for path in members(model.operation_model(name).input_shape)}
    assert have == want, have ^ want


def check_every_operation_that_is_not_in_is_refused_by_name():
    refused = 0
    for service, package in PACKAGES.items():
        client = CLIENTS[service]
        methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
        for name, scope, area in rows(package + "/scope.tsv"):
            if scope == "in":
                continue
            try:
                getattr(client, methods[name])(**example(client.meta.service_model.operation_model(name).input_shape))
            except botocore.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
                when = {"later": "is not implemented yet", "never": "is no part of Drover"}[scope]
                assert (status, code) == (501, "NotImplementedException"), (name, status, code, message)
                assert message.startswith(f"{name} ({area}) {when}. Nothing was changed. "), (name, message)
                refused += 1
            else:
                raise AssertionError(name + " was not refused")
    assert refused > 200, refused


run(globals())
