"""A page in headless Chromium, served from here, that says here what it is told."""

import http.server
import json
import tempfile
import threading

# Sends what it is given to the server of the page, one after another, as JSON.
SAY = """<!doctype html><meta charset="utf-8"><script>
var said = Promise.resolve();
const say = (...words) => { said = said.then(() => fetch('/said', { method: 'POST', body: JSON.stringify(words) })); };
</script>"""

FOLLOW = SAY + """<script>
%s.forEach((url, stream) => {
  const source = new EventSource(url);
  for (const name of ['message', '$ready', '$gap', '$place'])
    source.addEventListener(name, (event) => say(stream, name, event.data));
});
</script>"""


class Page:
    """A page in a browser of its own; `heard(*words)` is called with whatever it passes to `say`."""

    def __init__(self, processes, name, html, heard):
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(html.encode())

            def do_POST(self):
                heard(*json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.processes = processes
        self.process = processes.start(name, [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={self.profile.name}",
            f"http://127.0.0.1:{self.server.server_port}/"])

    def close(self):
        # Its own signal handler ends the processes that it has started.
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.processes.end(self.process)
            self.server.shutdown()
            self.profile.cleanup()


def follow(processes, name, urls, tells):
    """A page that follows streams with the browser's own EventSource."""
    return Page(processes, name, FOLLOW % json.dumps(urls), lambda stream, event, data: tells[stream](event, data))
