"""Writes requests.json: what botocore 1.43.11 puts on the wire, signed by it.

A loopback server keeps the bytes of each request and answers `{}`. Run it in
this folder, `python3 capture.py`, when botocore's signing changes; the requests
carry the time of the capture, which the test takes for now.
"""
import datetime, json, socket, threading, urllib.parse
import botocore.auth, botocore.awsrequest, botocore.config, botocore.credentials, botocore.session

KEY, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "token+with/odd=characters"
captured = []


def serve(listener):
    while True:
        conn, _ = listener.accept()
        with conn:
            data = b""
            while b"\r\n\r\n" not in data:
                data += conn.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            length = next((int(l.split(b":")[1]) for l in lines if l.lower().startswith(b"content-length:")), 0)
            while len(body) < length:
                body += conn.recv(65536)
            lines = [l for l in lines if not l.lower().startswith(b"user-agent:")]  # names the machine, is not signed
            captured.append((b"\r\n".join(lines) + b"\r\n\r\n" + body).decode())
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}")


listener = socket.create_server(("127.0.0.1", 0))
endpoint = "http://127.0.0.1:%d" % listener.getsockname()[1]
threading.Thread(target=serve, args=(listener,), daemon=True).start()


def client(service, token=None):
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET, token)
    return session.create_client(service, region_name="us-east-1", endpoint_url=endpoint,
                                 config=botocore.config.Config(retries={"total_max_attempts": 1}))


iot, jobs, data = client("iot"), client("iot-jobs-data"), client("iot-data")
cert = "arn:aws:iot:us-east-1:123456789012:cert/" + "ab" * 32
calls = [
    ("the control plane with a query", "iot", lambda: iot.describe_endpoint(endpointType="iot:Data-ATS")),
    ("a query that is not sorted", "iot", lambda: iot.list_things(maxResults=7, attributeName="a b", attributeValue="x/y+z", nextToken="tok==")),
    ("a body and a colon in the path", "iot", lambda: iot.create_thing(thingName="t:1", attributePayload={"attributes": {"k": "v"}})),
    ("a signed x-amzn-principal header", "iot", lambda: iot.attach_thing_principal(thingName="t:1", principal=cert)),
    ("an ARN as one segment", "iot", lambda: iot.list_attached_policies(target=cert)),
    ("a segment with a space, a slash and bytes above ASCII", "iot", lambda: iot.describe_job(jobId="bad id/\u00e9")),
    ("dots in a segment", "iot", lambda: iot.get_policy(policyName="a..b+c=,@-")),
    ("an empty body with PUT", "iot", lambda: iot.cancel_job(jobId="fw-42", force=True)),
    ("UTF-8 in the body", "iot", lambda: iot.create_job(jobId="fw-42", targets=["arn:aws:iot:us-east-1:123456789012:thing/t"], document='{"a":"\u00e9\u1234"}')),
    ("$next as a label, percent-encoded", "iot-jobs-data", lambda: jobs.describe_job_execution(thingName="t:1", jobId="$next", includeJobDocument=False)),
    ("$next as a literal of the model", "iot-jobs-data", lambda: jobs.start_next_pending_job_execution(thingName="t:1", statusDetails={"a": "b"})),
    ("the pending list", "iot-jobs-data", lambda: jobs.get_pending_job_executions(thingName="t1")),
    ("an update", "iot-jobs-data", lambda: jobs.update_job_execution(thingName="t1", jobId="j", status="SUCCEEDED", expectedVersion=2)),
    ("a publish with a topic in the path", "iotdata", lambda: data.publish(topic="a/b c/$x", qos=1, payload=b"\x00\x01binary")),
    ("a session token", "iot-jobs-data", lambda: client("iot-jobs-data", TOKEN).get_pending_job_executions(thingName="t1")),
]
vectors = []
for name, service, call in calls:
    call()
    vectors.append({"name": name, "service": service, "request": captured[-1]})

for name, token, expires in [("a presigned URL", None, 300), ("a presigned URL with its token signed", TOKEN, 86400)]:
    request = botocore.awsrequest.AWSRequest(method="GET", url="https://iot.example.com/mqtt")
    botocore.auth.SigV4QueryAuth(botocore.credentials.Credentials(KEY, SECRET, token), "iotdevicegateway", "us-east-1", expires=expires).add_auth(request)
    url = urllib.parse.urlsplit(request.url)
    vectors.append({"name": name, "service": "iotdevicegateway",
                    "request": "GET %s?%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n\r\n" % (url.path, url.query, url.netloc)})

with open("requests.json", "w") as out:
    json.dump({"botocore": botocore.__version__, "key": KEY, "secret": SECRET, "token": TOKEN, "vectors": vectors}, out, indent=1)
    out.write("\n")
