import http.server
import json
import os
import signal
import sys
import urllib.parse
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        if address.path == "/healthz":
            return self.answer(200, {"status": "ok"})
        hops = [hop for hop in urllib.parse.parse_qs(address.query).get("via", [""])[0].split(",") if hop]
        if len(hops) > 8:
            return self.answer(400, {"error": "via has more than 8 hops"})
        chain = [{"component": os.environ["TEAL_COMPONENT"], "version": os.environ["TEAL_VERSION"]}]
        try:
            if hops:
                chain += call(hops[0], hops[1:])
        except (OSError, KeyError, ValueError) as error:
            return self.answer(502, {"error": f"{hops[0]}: {error!r}"})
        self.answer(200, {"chain": chain, "versions": sorted({link["version"] for link in chain})})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        if self.path != "/healthz":
            super().log_request(code, size)


def call(component, rest):
    """Ask a sibling. Its address leads to the version that this code belongs to."""
    base = os.environ["TEAL_URL_" + component.upper().replace("-", "_")]
    url = base + "/?via=" + urllib.parse.quote(",".join(rest))
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)["chain"]


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
