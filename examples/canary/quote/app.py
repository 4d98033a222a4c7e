import json
import os
import random

QUOTES = ["Measure twice, cut once.", "Slow is smooth, smooth is fast.", "Trust, but verify."]
FAIL_PERCENT = float(os.environ.get("FAIL_PERCENT", "0"))


def lambda_handler(event, context):
    if random.random() * 100 < FAIL_PERCENT:
        raise RuntimeError("out of quotes")
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"ok": True, "quote": random.choice(QUOTES)}) + "\n",
    }
