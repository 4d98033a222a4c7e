"""Runs a Python handler: the loop between the Lambda Runtime API and the code.

The API is spoken over one plain socket. Its answers always carry a
Content-Length, which is all the HTTP that this needs.
"""

import _signal  # signal without the enums, which would cost every start a millisecond
import json
import logging
import os
import resource
import socket
import sys
import threading
import time
import traceback

OWN_FRAMES = os.path.abspath(__file__)
PREFIX = "/2018-06-01/runtime/"


class Api:
    """The connection to the Runtime API."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.address = (host, int(port))
        self.host = address
        self.sock = None
        self.file = None
        self.withdrawn = False
        self.leave = os._exit

    def connect(self):
        self.sock = socket.create_connection(self.address)
        # The code may have set a time-out for all sockets; this one waits.
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 64 * 1024)

    def request(self, method, path, body=b"", headers=""):
        if self.sock is None:
            self.connect()
        head = "%s %s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n" % (
            method, PREFIX, path, self.host, len(body), headers)
        self.sock.sendall(head.encode("latin-1") + body)
        return self.response()

    def response(self):
        status_line = self.file.readline()
        if not status_line:
            # The server is gone, and so is the reason to live; or it has let go.
            self.leave(0 if self.withdrawn else 1)
        status = int(status_line.split(b" ", 2)[1])
        headers = {}
        while True:
            line = self.file.readline().rstrip(b"\r\n")
            if not line:
                break
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        length = int(headers.get("content-length", "0"))
        body = self.file.read(length)
        if len(body) < length:
            self.leave(1)  # the server gives it to somebody else
        if self.withdrawn:
            self.sock = None  # what is to be said is said on another connection
        return status, headers, body

    def withdraw(self):
        """Asks for no invocation any more, from another thread than the one that waits.

        The server either closes the connection, or has sent an invocation already,
        which is then the last one: none gets lost in between.
        """
        self.withdrawn = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.leave(1)

    def next(self):
        status, headers, body = self.request("GET", "invocation/next")
        if status != 200:
            raise SystemExit("The Runtime API answered %d to next: %r" % (status, body))
        return headers, body

    def result(self, request_id, body):
        self.request("POST", "invocation/%s/response" % request_id, body, "Content-Type: application/json\r\n")

    def error(self, path, document):
        header = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %s\r\n" % one_line(document["errorType"])
        self.request("POST", path, json.dumps(document).encode(), header)


def one_line(text):
    return "".join(c if " " <= c <= "~" else "?" for c in text)


class Fields:
    """An object with whatever fields a JSON object has."""

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def __repr__(self):
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % f for f in self.__dict__.items()))


class CognitoIdentity(Fields):
    pass


class Client(Fields):
    pass


class ClientContext(Fields):
    pass


class LambdaContext(Fields):
    """The second argument of a handler."""

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


CLIENT_FIELDS = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


def client_context(header):
    if not header:
        return None
    given = json.loads(header)
    if not isinstance(given, dict):
        raise ValueError("it is not an object")
    client = given.get("client")
    if not isinstance(client, dict):
        client = {}
    return ClientContext(
        client=Client(**{name: client.get(name) for name in CLIENT_FIELDS}),
        custom=given.get("custom"),
        env=given.get("env"),
    )


def make_context(headers, env):
    identity = json.loads(headers.get("lambda-runtime-cognito-identity") or "{}")
    return LambdaContext(
        aws_request_id=headers["lambda-runtime-aws-request-id"],
        invoked_function_arn=headers["lambda-runtime-invoked-function-arn"],
        function_name=env["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=env["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=env["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=env["AWS_LAMBDA_LOG_STREAM_NAME"],
        identity=CognitoIdentity(
            cognito_identity_id=identity.get("cognitoIdentityId"),
            cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"),
        ),
        client_context=client_context(headers.get("lambda-runtime-client-context")),
        _deadline_ms=int(headers["lambda-runtime-deadline-ms"]),
    )


class InitError(Exception):
    """Why the handler cannot be loaded, in AWS's words."""

    def __init__(self, error_type, message, stack=()):
        super().__init__(message)
        self.document = {"errorMessage": message, "errorType": error_type, "requestId": "", "stackTrace": list(stack)}


def load(handler):
    name, dot, function = handler.rpartition(".")
    if not dot or not name or not function:
        raise InitError("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % handler)
    name = name.replace("/", ".")
    try:
        __import__(name)
        module = sys.modules[name]
    except ImportError as e:
        raise InitError("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (name, e), stack_of(e)) from e
    except SyntaxError as e:
        where = ['  File "%s" Line %s\n    %s' % (e.filename, e.lineno, (e.text or "").rstrip())]
        raise InitError("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (name, e), where) from e
    except Exception as e:
        raise InitError(type(e).__name__, str(e), stack_of(e)) from e
    try:
        return getattr(module, function)
    except AttributeError as e:
        raise InitError("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, name)) from e


def stack_of(error):
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_list([f for f in frames if not (f.filename == OWN_FRAMES or f.filename.startswith("<frozen importlib"))])


def report(document):
    text = "[ERROR] %s: %s\n" % (document["errorType"], document["errorMessage"])
    if document["stackTrace"]:
        text += "Traceback (most recent call last):\n" + "".join(document["stackTrace"])
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def plain(value):
    """Encodes what json does not know: decimals, as DynamoDB's clients return them."""
    if type(value).__name__ == "Decimal":
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def encode(answer):
    text = json.dumps(answer, ensure_ascii=False, default=plain)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A lone surrogate: only an escape can carry it.
        return json.dumps(answer, default=plain).encode()


def invoke(handler, body, context):
    """Returns the encoded answer and None, or None and an error document."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as e:
        return None, failure("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % e, context)
    try:
        answer = handler(event, context)
    except Exception as e:
        return None, failure(type(e).__name__, text_of(e), context, stack_of(e))
    try:
        return encode(answer), None
    except Exception as e:
        return None, failure("Runtime.MarshalError", "Unable to marshal response: %s" % e, context)


def text_of(error):
    try:
        return str(error)
    except Exception as e:
        return "<its text cannot be made: %s>" % type(e).__name__


def failure(error_type, message, context, stack=()):
    return {"errorMessage": message, "errorType": error_type, "requestId": context.aws_request_id, "stackTrace": list(stack)}


class LogHandler(logging.Handler):
    """Puts what is logged where print goes, in the form that Lambda gives it."""

    request_id = ""

    def emit(self, record):
        try:
            sys.stdout.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)

    def format(self, record):
        record.aws_request_id = LogHandler.request_id
        return super().format(record)


def prepare_logging():
    handler = LogHandler()
    formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)


def limits():
    """Returns the limits of the process that an invocation can set for all that follow."""
    return [resource.getrlimit(which) for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)]


class Process:
    """What the next invocation needs of this process, as the code's start has left it."""

    def __init__(self):
        self.env = dict(os.environ)
        self.stdout, self.stderr = sys.stdout, sys.stderr
        self.directory = os.getcwd()
        self.limits = limits()

        self.idle = False  # it waits for an invocation
        self.leaving = False  # it ends when the invocation of now has been answered

    def flush(self):
        for stream in (self.stdout, self.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass

    def usable(self):
        """Says whether the next invocation can run here; a new instance can if not."""
        if self.leaving:
            return False
        try:
            if self.stdout.closed or self.stderr.closed or sys.stdout is None or sys.stderr is None or sys.stdout.closed or sys.stderr.closed:
                return False
            for fd in (0, 1, 2):
                os.fstat(fd)
            os.chdir(self.directory)
            if _signal.getsignal(_signal.SIGALRM) == _signal.SIG_DFL:
                _signal.setitimer(_signal.ITIMER_REAL, 0)  # it would end whoever runs then
        except (OSError, AttributeError):
            return False
        return limits() == self.limits


def keep_from_others(process, api):
    """Has threads that an invocation left behind end the process after the invocation of now.

    os._exit of such a thread would otherwise fail whoever is served at that time. A
    thread of the invocation of now, or of the code's start, ends the process at once.
    """
    main, start, leave, pid = threading.main_thread(), threading.Thread.start, os._exit, os.getpid()

    def born(self):
        creator = threading.current_thread()
        self._lambda_request_id = LogHandler.request_id if creator is main else getattr(creator, "_lambda_request_id", "")
        start(self)

    def end(status):
        owner = getattr(threading.current_thread(), "_lambda_request_id", "")
        forked = os.getpid() != pid  # a child ends itself
        if not owner or forked or (owner == LogHandler.request_id and not process.idle):
            leave(status)
        process.leaving = True
        if process.idle:
            api.withdraw()
        raise SystemExit(status)

    threading.Thread.start, os._exit = born, end


def serve(api, handler):
    process = Process()
    keep_from_others(process, api)
    while process.usable():
        process.idle = True
        headers, body = api.next()
        trace_id = headers.get("lambda-runtime-trace-id")
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        request_id = LogHandler.request_id = headers["lambda-runtime-aws-request-id"]
        process.idle = False
        try:
            context = make_context(headers, process.env)
        except Exception as e:
            api.error("invocation/%s/error" % request_id, {
                "errorMessage": "Unable to parse client context: %s" % e, "errorType": "Runtime.LambdaContextUnmarshalError",
                "requestId": request_id, "stackTrace": []})
            continue
        answer, failed = invoke(handler, body, context)
        if failed:
            try:
                report(failed)
            except Exception:
                pass  # the streams are not what they were
        process.flush()
        if failed:
            api.error("invocation/%s/error" % request_id, failed)
        else:
            api.result(request_id, answer)
    api.leave(0)


def main():
    # A line is written when it is complete: a crash loses none, and a line costs
    # one write.
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    sys.stderr.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    own_directory = os.path.dirname(OWN_FRAMES)
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != own_directory]
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    prepare_logging()
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except InitError as e:
        report(e.document)
        sys.stdout.flush()
        api.error("init/error", e.document)
        sys.exit(1)
    serve(api, handler)


if __name__ == "__main__":
    main()
