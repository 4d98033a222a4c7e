"""One event, sent through the gateway and through Invoke, driven by boto3."""
import io, json, os, urllib.error, urllib.request, zipfile

import boto3
from botocore.config import Config

client = boto3.client(
    "lambda", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1",
    aws_access_key_id="teal", aws_secret_access_key=os.environ["SECRET"],
    config=Config(retries={"max_attempts": 0}),
)
NAME = "boto3-same"
CODE = """
import json
def handler(event, context):
    return {"statusCode": 418, "headers": {"x-method": event["requestContext"]["http"]["method"]}, "cookies": ["a=1"],
            "body": json.dumps([event, context.function_version, context.function_name])}
"""

buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr("app.py", CODE)
client.create_function(FunctionName=NAME, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler", Code={"ZipFile": buffer.getvalue()}, Publish=True)
client.create_alias(FunctionName=NAME, Name="prod", FunctionVersion="1")
url = client.create_function_url_config(FunctionName=NAME, Qualifier="prod", AuthType="NONE")["FunctionUrl"]
client.add_permission(FunctionName=NAME, Qualifier="prod", StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")


def through_gateway(path, body, headers):
    host = url.split("/")[2]
    request = urllib.request.Request("http://127.0.0.1:" + host.split(":")[1] + path, data=body, headers={"Host": host, **headers})
    try:
        response = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        response = error
    return response.status, response.headers["x-method"], response.headers["Set-Cookie"], response.read().decode()


for path, body, headers in [
    ("/", None, {}),
    ("/a%20b/c?q=1&q=2&empty=&%C3%A4=%26", None, {"Cookie": "c=1; d=2", "X-Many": "a, b"}),
    ("/post", json.dumps({"n": 1}).encode(), {"Content-Type": "application/json"}),
    ("/bytes", bytes(range(256)), {"Content-Type": "application/octet-stream"}),
]:
    status, method, cookie, text = through_gateway(path, body, headers)
    event, version, name = json.loads(text)
    assert event["version"] == "2.0" and version == "1" and name == NAME, text
    out = client.invoke(FunctionName=NAME, Qualifier="prod", Payload=json.dumps(event).encode())
    answer = json.loads(out["Payload"].read())
    same = answer["statusCode"], answer["headers"]["x-method"], answer["cookies"][0], answer["body"]
    assert (status, method, cookie, text) == same, (path, same, text)
    assert out["ExecutedVersion"] == version, out
print("done")
