"""The page of docs/getting-started.md, with the events that the document publishes."""

import http.server

from harness import documents

WIDTH, SCHEMES = 420, ("light",)
PAGE = documents.sample("getting-started.md", "2. A page", "html")
SOURCES = {"docs/getting-started.md, its page": PAGE}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_):
        pass


def show(stage):
    page = stage.page(stage.serve(Handler))
    page.wait("the page is connected", "document.querySelector('#state').textContent === 'connected'")
    stage.redis.command("FCALL", "sse_publish", "1", "sse:orders", "DATA", "seventeen pairs of socks")
    stage.publish("orders", "one hat", "created")
    page.wait("both are there", "document.querySelectorAll('li').length === 2")
    return page
