"""Gives devices their identity with boto3, as a provisioning service would.

The folder IDENTITY_FILES has requests and certificates that a device brings
along. The endpoint, region, credentials and CA come from the environment.
"""

import datetime
import os

import boto3

from checks import raises, run

iot = boto3.client("iot")
ARN = "arn:aws:iot:us-east-1:000000000000:"
made = []  # certificate ids, in the order of their creation
things = [f"py-{n}" for n in range(4)]


def text(name):
    with open(os.path.join(os.environ["IDENTITY_FILES"], name)) as f:
        return f.read()


def status(response):
    return response["ResponseMetadata"]["HTTPStatusCode"]


def check_a_request_becomes_a_certificate_and_the_same_request_another():
    for active in (True, False, False):
        answer = iot.create_certificate_from_csr(certificateSigningRequest=text("request.pem"), setAsActive=active)
        assert answer["certificateArn"] == ARN + "cert/" + answer["certificateId"], answer
        assert answer["certificatePem"].startswith("-----BEGIN CERTIFICATE-----\n"), answer
        made.append(answer["certificateId"])
    assert len(set(made)) == 3, made


def check_a_forged_request_is_invalid():
    response = raises(iot.exceptions.InvalidRequestException, iot.create_certificate_from_csr, certificateSigningRequest=text("forged.pem"))
    assert status(response) == 400
    raises(iot.exceptions.InvalidRequestException, iot.create_certificate_from_csr, certificateSigningRequest="x" * 4097)


def check_a_certificate_is_registered_once():
    answer = iot.register_certificate_without_ca(certificatePem=text("own.pem"), status="ACTIVE")
    made.append(answer["certificateId"])
    response = raises(iot.exceptions.ResourceAlreadyExistsException, iot.register_certificate_without_ca, certificatePem=text("own.pem"))
    assert status(response) == 409
    assert (response["resourceId"], response["resourceArn"]) == (made[-1], ARN + "cert/" + made[-1]), response


def check_what_is_no_certificate_is_the_modelled_400():
    response = raises(iot.exceptions.CertificateValidationException, iot.register_certificate_without_ca, certificatePem="junk")
    assert status(response) == 400


def check_describe_tells_all_of_a_certificate():
    own = iot.describe_certificate(certificateId=made[-1])["certificateDescription"]
    assert own["certificatePem"] == text("own.pem"), own
    assert (own["status"], own["certificateMode"], own["customerVersion"], own["ownedBy"]) == ("ACTIVE", "SNI_ONLY", 1, "000000000000"), own
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs(now - own["creationDate"]) < datetime.timedelta(hours=1), own
    assert own["validity"]["notBefore"] < now < own["validity"]["notAfter"], own
    assert own["generationId"] and own["transferData"] == {}, own
    first = iot.describe_certificate(certificateId=made[0])["certificateDescription"]
    assert (first["status"], first["certificateMode"]) == ("ACTIVE", "DEFAULT"), first


def check_the_paginator_sees_every_certificate_once_in_both_orders():
    for ascending, want in ((True, made), (False, made[::-1])):
        pages = list(iot.get_paginator("list_certificates").paginate(ascendingOrder=ascending, PaginationConfig={"PageSize": 1}))
        assert [c["certificateId"] for page in pages for c in page["certificates"]] == want, pages
        assert len(pages) == len(made), pages


def check_attachments_are_seen_from_both_sides():
    principal = ARN + "cert/" + made[0]
    for name in things:
        iot.create_thing(thingName=name)
        iot.attach_thing_principal(thingName=name, principal=principal)
    pages = iot.get_paginator("list_principal_things").paginate(principal=principal, PaginationConfig={"PageSize": 3})
    assert [name for page in pages for name in page["things"]] == things
    pages = iot.get_paginator("list_principal_things_v2").paginate(principal=principal, PaginationConfig={"PageSize": 3})
    assert [o for page in pages for o in page["principalThingObjects"]] == [
        {"thingName": name, "thingPrincipalType": "NON_EXCLUSIVE_THING"} for name in things
    ]
    iot.attach_thing_principal(thingName=things[0], principal=ARN + "cert/" + made[-1], thingPrincipalType="EXCLUSIVE_THING")
    objects = iot.list_thing_principals_v2(thingName=things[0])["thingPrincipalObjects"]
    assert objects == [
        {"principal": principal, "thingPrincipalType": "NON_EXCLUSIVE_THING"},
        {"principal": ARN + "cert/" + made[-1], "thingPrincipalType": "EXCLUSIVE_THING"},
    ], objects
    raises(iot.exceptions.InvalidRequestException, iot.attach_thing_principal, thingName=things[1], principal=ARN + "cert/" + made[-1])
    raises(iot.exceptions.InvalidRequestException, iot.delete_thing, thingName=things[0])


def check_detaching_is_idempotent_and_frees_the_thing():
    for _ in range(2):
        iot.detach_thing_principal(thingName=things[3], principal=ARN + "cert/" + made[0])
    iot.delete_thing(thingName=things[3])
    raises(iot.exceptions.ResourceNotFoundException, iot.detach_thing_principal, thingName=things[3], principal=ARN + "cert/" + made[0])


def check_revoked_is_for_good():
    iot.update_certificate(certificateId=made[1], newStatus="REVOKED")
    response = raises(iot.exceptions.CertificateStateException, iot.update_certificate, certificateId=made[1], newStatus="ACTIVE")
    assert status(response) == 406


def check_a_certificate_is_deleted_once_it_is_not_in_use():
    own = made[-1]
    response = raises(iot.exceptions.CertificateStateException, iot.delete_certificate, certificateId=own)
    assert status(response) == 406
    iot.update_certificate(certificateId=own, newStatus="INACTIVE")
    response = raises(iot.exceptions.DeleteConflictException, iot.delete_certificate, certificateId=own, forceDelete=True)
    assert status(response) == 409
    iot.detach_thing_principal(thingName=things[0], principal=ARN + "cert/" + own)
    iot.delete_certificate(certificateId=own)
    response = raises(iot.exceptions.ResourceNotFoundException, iot.describe_certificate, certificateId=own)
    assert status(response) == 404


run(globals())
