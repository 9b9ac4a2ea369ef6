"""Publishes with boto3's iot-data client, as a Python service would.

The endpoint, region, credentials and CA come from the environment. What arrives
is looked at by the test that runs this.
"""

import base64
import json

import boto3
import botocore.exceptions

data = boto3.client("iot-data")

answer = data.publish(topic="plant/plain", payload=b"hello")
assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200, answer
data.publish(
    topic="plant/rich",
    qos=1,
    retain=True,
    payload=json.dumps({"state": "running"}),
    userProperties=[{"deviceName": "alpha"}, {"deviceCnt": "45"}],
    payloadFormatIndicator="UTF8_DATA",
    contentType="application/json; charset=utf-8",
    responseTopic="plant/reply",
    correlationData=base64.b64encode(b"\x00\xff42").decode(),
    messageExpiry=600,
)
data.publish(topic="plant/text", userProperties='[{"given":"as a text"}]')
data.publish(topic="plant/largest", payload=b"x" * 131072)
try:
    data.publish(topic="plant/too-large", payload=b"x" * 131073)
    raise AssertionError("a payload of 128 KiB and a byte was taken")
except botocore.exceptions.ClientError as error:
    response = error.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413, response
    assert response["Error"]["Code"] == "RequestEntityTooLargeException", response
try:
    data.publish(topic="plant/+")
    raise AssertionError("a wildcard was taken")
except data.exceptions.InvalidRequestException as error:
    assert error.response["Error"]["Message"], error.response
