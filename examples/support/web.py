"""The web server of an example: its page, the style that all pages share, and what the example answers itself."""

import http.server
import json
import os
import pathlib
import re
import sys
import threading
import traceback

HERE = pathlib.Path(__file__).resolve().parent
# Where the node is, as the pages have it; they are served with the address that is true here.
WRITTEN = "http://127.0.0.1:8080"
BODY_BYTES_MAX = 64 * 1024


class Refused(Exception):
    """What a route raises to answer with another status."""

    def __init__(self, status):
        self.status = status


class Request:
    def __init__(self, path, cookie, body):
        self.path, self.body, self.set_cookie = path, body, None
        self.cookies = dict(part.strip().partition("=")[::2] for part in cookie.split(";"))


def handler(folder, routes):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, kind="application/json", body=b"{}", cookie=None):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            if cookie is not None:
                self.send_header("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Lax")
            self.end_headers()
            self.wfile.write(body)

        def route(self, method, body=None):
            for (wanted, pattern), function in routes.items():
                found = re.fullmatch(pattern, self.path)
                if wanted == method and found:
                    request = Request(self.path, self.headers.get("Cookie", ""), body)
                    try:
                        answer = json.dumps(function(request, *found.groups())).encode()
                    except Refused as refused:
                        return self.answer(refused.status)
                    except OSError:
                        # Redis or the node is away, or the node refuses: an HTTPError is an OSError.
                        traceback.print_exc()
                        return self.answer(503)
                    except Exception:
                        traceback.print_exc()
                        return self.answer(500)
                    return self.answer(200, body=answer, cookie=request.set_cookie)
            return self.answer(404)

        def do_GET(self):
            if self.path == "/":
                page = (folder / "index.html").read_text().replace(WRITTEN, os.environ.get("NODE_URL", WRITTEN))
                return self.answer(200, "text/html; charset=utf-8", page.encode())
            if self.path == "/style.css":
                return self.answer(200, "text/css", (HERE / "style.css").read_bytes())
            return self.route("GET")

        def do_POST(self):
            # A page of another site cannot send JSON unless it is allowed to (CORS), and nobody is allowed here.
            length = int(self.headers.get("Content-Length") or 0)
            if self.headers.get("Content-Type") != "application/json" or length > BODY_BYTES_MAX:
                self.close_connection = True
                return self.answer(415)
            try:
                body = json.loads(self.rfile.read(length))
            except ValueError:
                body = None
            if not isinstance(body, dict):
                return self.answer(400)
            return self.route("POST", body)

        def log_message(self, *_):
            pass

    return Handler


def in_background(function):
    """Runs it beside the server, for ever. An application that cannot publish any more ends, and says why."""

    def run():
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threading.Thread(target=run, daemon=True).start()


def serve(folder, routes=None):
    """Serves until the process ends. `routes`: by method and path (a regular expression), functions that take the request and the
    path's groups, and return what is answered as JSON."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), handler(pathlib.Path(folder), routes or {}))
    server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1])
