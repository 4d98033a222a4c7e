"""A hook: here a change of a database or a message to a channel would be made."""
import os

print("version", os.environ["TEAL_VERSION"], "of", os.environ["TEAL_APP"], "is healthy")
