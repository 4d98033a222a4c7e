"""A function and its layers, driven by boto3. STEP says which part: the server is
killed and started again before the last one."""
import io, json, os, zipfile

import boto3
from botocore.config import Config

client = boto3.client(
    "lambda", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1",
    aws_access_key_id="teal", aws_secret_access_key=os.environ["SECRET"],
    config=Config(retries={"max_attempts": 0}),
)
NAME, ROLE = "boto3-layers", "arn:aws:iam::000000000000:role/any"


def package(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def call(name, qualifier):
    out = client.invoke(FunctionName=name, Qualifier=qualifier)
    answer = json.loads(out["Payload"].read())
    assert "FunctionError" not in out, answer
    return answer, out["ExecutedVersion"]


def layer(name, files):
    return client.publish_layer_version(LayerName=name, Content={"ZipFile": package(files)})["LayerVersionArn"]


def split():
    seen = {call(NAME, "live") for _ in range(200)}
    assert seen == {("blue", "1"), ("green", "2")}, seen
    assert call("node-layers", "1") == ("from node", "1")


def prepare():
    one = layer("said", {"python/said/__init__.py": "text = 'blue'\n"})
    client.create_function(
        FunctionName=NAME, Runtime="python3.12", Role=ROLE, Handler="app.handler", Timeout=60, Publish=True, Layers=[one],
        Code={"ZipFile": package({"app.py": "import said\ndef handler(event, context):\n    return said.text\n"})},
    )
    two = layer("said", {"python/said/__init__.py": "text = 'green'\n"})
    client.get_waiter("function_active_v2").wait(FunctionName=NAME)
    client.update_function_configuration(FunctionName=NAME, Layers=[two])
    client.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    assert client.publish_version(FunctionName=NAME)["Layers"][0]["Arn"] == two
    client.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    node = layer("node", {"nodejs/node_modules/said/index.js": "module.exports = 'from node'\n"})
    client.create_function(
        FunctionName="node-layers", Runtime="nodejs22.x", Role=ROLE, Handler="app.handler", Timeout=60, Publish=True, Layers=[node],
        Code={"ZipFile": package({"app.js": "const said = require('said'); exports.handler = async () => said\n"})},
    )
    split()
    for name in ("said", "node"):
        for version in client.list_layer_versions(LayerName=name)["LayerVersions"]:
            client.delete_layer_version(LayerName=name, VersionNumber=version["Version"])
    assert client.list_layers()["Layers"] == []
    split()


{"prepare": prepare, "check": split}[os.environ["STEP"]]()
print("done")
