import json
import os


def lambda_handler(event, context):
    """Answers with what it was asked for, and by which version."""
    body = {"path": event["rawPath"], "version": os.environ["TEAL_VERSION"]}
    return {"statusCode": 200, "headers": {"content-type": "application/json", "cache-control": "no-store"}, "body": json.dumps(body)}
