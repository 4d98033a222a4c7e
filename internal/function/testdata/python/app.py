"""Handlers for the tests; the event says what to do."""

import decimal
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

STARTED = time.time()
logging.getLogger().setLevel(logging.INFO)


class Boom(Exception):
    pass


class Mute(Exception):
    def __str__(self):
        raise Boom("no words")


def context(event, ctx):
    cc = ctx.client_context
    return {
        "aws_request_id": ctx.aws_request_id,
        "function_name": ctx.function_name,
        "function_version": ctx.function_version,
        "invoked_function_arn": ctx.invoked_function_arn,
        "memory_limit_in_mb": ctx.memory_limit_in_mb,
        "log_group_name": ctx.log_group_name,
        "log_stream_name": ctx.log_stream_name,
        "remaining": ctx.get_remaining_time_in_millis(),
        "client_context": cc and {"title": cc.client.app_title, "custom": cc.custom, "env": cc.env},
        "identity": ctx.identity.cognito_identity_id,
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }


def env(event, ctx):
    return dict(os.environ, CWD=os.getcwd())


def echo(event, ctx):
    return event


def pid(event, ctx):
    return os.getpid()


def sleep(event, ctx):
    time.sleep(event["seconds"])
    return os.getpid()


def wait(event, ctx):
    while not os.path.exists(event["file"]):
        time.sleep(0.005)
    return os.getpid()


def ask(event, ctx):
    try:
        with urllib.request.urlopen(event["url"]) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def act(event, ctx):
    what = event.get("do")
    if what == "exit":
        print("last words")
        sys.exit(3)
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "raise":
        raise Boom("it went wrong")
    if what == "set":
        return {1, 2}
    if what == "values":
        return {"decimal": decimal.Decimal("1.5"), "text": "häß\ud800"}
    if what == "print":
        print("printed", event["text"])
        sys.stderr.write("to stderr\n")
        logging.info("logged")
        return None
    if what == "flood":
        line = "x" * 1023 + "\n"
        for _ in range(event["kib"]):
            sys.stdout.write(line)
        return "flooded"
    if what == "eat":
        held = []
        while True:
            held.append(bytearray(os.urandom(1) * (1 << 20)))
    if what == "big":
        return "x" * (event["bytes"] - 2)
    if what == "child":
        return subprocess.Popen(["sleep", "600"]).pid
    if what == "close":
        sys.stdout.close()
        return os.getpid()
    if what == "closefd":
        os.close(event["fd"])
        return os.getpid()
    if what == "clear":
        os.environ.clear()
        return os.getpid()
    if what == "leave":
        os.chdir("/")
        return os.getpid()
    if what == "where":
        return os.getcwd()
    if what == "mute":
        raise Mute()
    if what == "alarm":
        signal.alarm(1)
    if what == "limit":
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        return os.getpid()
    if what == "burn":
        end = time.process_time() + event["seconds"]
        while time.process_time() < end:
            pass
    if what == "exit when":
        def leave():
            while not os.path.exists(event["file"]):
                time.sleep(0.005)
            os._exit(7)
        threading.Thread(target=leave).start()
        return os.getpid()
    if what == "touch":
        open(event["file"], "w").close()
        time.sleep(event["seconds"])
        return os.getpid()
    if what == "later":
        threading.Timer(event["seconds"], lambda: os._exit(7)).start()
        return "later"
    return os.getpid()
