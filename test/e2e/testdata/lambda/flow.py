"""One blue-green release of a function, driven by boto3."""
import base64, io, json, os, shutil, tempfile, zipfile

import boto3
from botocore.config import Config

client = boto3.client(
    "lambda", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1",
    aws_access_key_id="teal", aws_secret_access_key=os.environ["SECRET"],
    config=Config(retries={"max_attempts": 0}),
)
NAME = "boto3-flow"


def package(answer):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", f"def handler(event, context):\n    print('called')\n    return {{'answer': {answer!r}, 'version': context.function_version, 'event': event}}\n")
    return buffer.getvalue()


def call(qualifier, **more):
    out = client.invoke(FunctionName=NAME, Qualifier=qualifier, Payload=b'{"a": 1}', **more)
    answer = json.loads(out["Payload"].read())
    assert "FunctionError" not in out, answer
    assert out["StatusCode"] == 200 and answer["event"] == {"a": 1}, (out, answer)
    assert answer["version"] == out["ExecutedVersion"], (answer, out)
    return answer["answer"], out


made = client.create_function(
    FunctionName=NAME, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
    Code={"ZipFile": package("blue")}, Timeout=60, MemorySize=128, Environment={"Variables": {"STAGE": "test"}},
)
client.get_waiter("function_active_v2").wait(FunctionName=NAME)
assert client.publish_version(FunctionName=NAME)["Version"] == "1"
client.update_function_code(FunctionName=NAME, ZipFile=package("green"))
client.get_waiter("function_updated_v2").wait(FunctionName=NAME)
assert client.publish_version(FunctionName=NAME)["Version"] == "2"
assert [v["Version"] for v in client.list_versions_by_function(FunctionName=NAME)["Versions"]] == ["$LATEST", "1", "2"]

client.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
alias = client.update_alias(FunctionName=NAME, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}})
assert alias["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.1}}, alias
count = {"blue": 0, "green": 0}
for _ in range(2000):
    count[call("live")[0]] += 1
# The number of green answers is binomial: 200 on average, with a standard
# deviation of 13.4. Six of those are left on each side.
assert 120 <= count["green"] <= 280 and sum(count.values()) == 2000, count

_, out = call("live", LogType="Tail")
log = base64.b64decode(out["LogResult"]).decode()
assert "called" in log and "REPORT RequestId: " in log, log

client.update_alias(FunctionName=NAME, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
assert {call("live")[0] for _ in range(100)} == {"green"}
client.update_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
assert {call("live")[0] for _ in range(100)} == {"blue"}

for bad, code in [
    (lambda: client.update_alias(FunctionName=NAME, Name="live", RoutingConfig={"AdditionalVersionWeights": {"9": 0.5}}), "ResourceNotFoundException"),
    (lambda: client.get_function(FunctionName="nobody"), "ResourceNotFoundException"),
    (lambda: client.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1"), "ResourceConflictException"),
    (lambda: client.update_alias(FunctionName=NAME, Name="live", FunctionVersion="1", RevisionId="0" * 8), "PreconditionFailedException"),
]:
    try:
        bad()
    except client.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        assert e.response["ResponseMetadata"]["RequestId"], e.response
    else:
        raise AssertionError(code)



def stream(name, event, **more):
    """Calls a function for a streamed answer: its pieces and the end. After the first
    piece there is the file that the function waits for."""
    with tempfile.TemporaryDirectory() as folder:
        gate = os.path.join(folder, "gate")
        out = client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps({**event, "gate": gate}), **more)
        pieces, end = [], None
        for item in out["EventStream"]:
            if "PayloadChunk" in item:
                pieces.append(item["PayloadChunk"]["Payload"])
                open(gate, "w").close()
            else:
                end = item["InvokeComplete"]
    return pieces, end, out["ExecutedVersion"]


pieces, end, version = stream(NAME, {"a": 1}, Qualifier="live")
assert json.loads(b"".join(pieces))["answer"] == "blue" and version == "1" and "ErrorCode" not in end, (pieces, end, version)
if shutil.which("node"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.mjs", """import { existsSync } from 'node:fs';
        export const handler = awslambda.streamifyResponse(async (event, stream) => {
            stream.write('first ');
            while (!existsSync(event.gate)) await new Promise((done) => setTimeout(done, 10));
            if (event.fail) throw new RangeError('on the way');
            stream.end('last');
        });""")
    client.create_function(
        FunctionName="boto3-stream", Runtime="nodejs20.x", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
        Code={"ZipFile": buffer.getvalue()}, Timeout=60,
    )
    pieces, end, _ = stream("boto3-stream", {}, LogType="Tail")
    assert pieces == [b"first ", b"last"], pieces
    assert "ErrorCode" not in end and b"REPORT RequestId: " in base64.b64decode(end["LogResult"]), end
    pieces, end, _ = stream("boto3-stream", {"fail": True})
    assert pieces == [b"first "] and end["ErrorCode"] == "Unhandled" and json.loads(end["ErrorDetails"])["errorType"] == "RangeError", (pieces, end)
    client.delete_function(FunctionName="boto3-stream")

client.delete_alias(FunctionName=NAME, Name="live")
client.delete_function(FunctionName=NAME)
assert NAME not in [f["FunctionName"] for f in client.list_functions()["Functions"]]
print(json.dumps(count))
