"""Asks green for a quote before green has any traffic."""
import json
import os
import sys
import urllib.request

with urllib.request.urlopen(os.environ["TEAL_PREVIEW_URL"] + "/quotes", timeout=20) as answer:
    quote = json.load(answer)["quote"]
print("version", os.environ["TEAL_VERSION"], "says:", quote)
sys.exit(0 if quote.endswith(".") else 1)
