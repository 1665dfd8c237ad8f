"""A page in a headless browser, served from here, that says here what it is told."""

import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading

from . import documents
from .servers import WebServer

# Firefox asks and reports nothing on its first start, opens no page but ours, and makes no connection of its own. In both browsers pages
# may open others, and cookies go along to other sites, as some users have it: nodes must bear that.
FIREFOX_SETTINGS = {
    "app.normandy.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_open_during_load": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.cookie.cookieBehavior": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "",
}
CHROMIUM_SETTINGS = {"profile": {"block_third_party_cookies": False, "cookie_controls_mode": 0}}


def chromium(profile):
    settings = pathlib.Path(profile) / "Default" / "Preferences"
    settings.parent.mkdir()
    settings.write_text(json.dumps(CHROMIUM_SETTINGS))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-popup-blocking"]
    return [*options, f"--user-data-dir={profile}"]


def firefox(profile):
    settings = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in FIREFOX_SETTINGS.items()]
    (pathlib.Path(profile) / "user.js").write_text("".join(settings))
    return ["--headless", "--no-remote", "--profile", profile]


# By name: the programs, of which the first that is installed counts, and the arguments with which it has a profile of its own.
BROWSERS = {"chromium": (["chromium"], chromium), "firefox": (["firefox-esr", "firefox"], firefox)}

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


def program(browser):
    """Where that browser is installed; `None` if it is not."""
    return next(filter(None, map(shutil.which, BROWSERS[browser][0])), None)


# The function that docs/clients.md advises: it opens anew when the browser has given up.
FOLLOW_ANEW = SAY + """<script>
%s
%s.forEach((url, stream) => follow(url, (name, data) => say(stream, name, data)));
</script>"""


def anew(urls):
    return FOLLOW_ANEW % (documents.script("clients.md", "A browser that gives up"), json.dumps(urls))



def takes_authority(browser):
    """Whether that browser can be told of an authority without a change to the user's own settings: Firefox needs certutil of NSS."""
    return browser == "chromium" or shutil.which("certutil") is not None


def believe(browser, profile, authority):
    """Has a browser with this profile believe the authority; returns what its command line needs for it."""
    if browser == "chromium":
        return [f"--ignore-certificate-errors-spki-list={authority.pin}"]
    store = ["-d", f"sql:{profile}"]
    for command in (["-N", *store, "--empty-password"], ["-A", *store, "-n", "test", "-t", "C,,", "-i", str(authority.root)]):
        subprocess.run(["certutil", *command], check=True)
    return []


class Browser:
    """A browser with a profile of its own, that opens a page. With an `authority` it believes the certificate of its node."""

    def __init__(self, processes, name, browser, url, authority=None):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.processes = processes
        options = BROWSERS[browser][1](self.profile.name)
        if authority:
            options += believe(browser, self.profile.name, authority)
        self.process = processes.start(name, [program(browser), *options, url])

    def close(self):
        # Its own signal handler ends the processes that it has started.
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.processes.end(self.process)
            self.profile.cleanup()


class Page:
    """A page in a browser of its own; `heard(*words)` is called with whatever it passes to `say`, and `posts`, by path, answer its other
    requests with a status and a body. `port`: where it is served, if that is not all the same."""

    def __init__(self, processes, name, html, heard, browser="chromium", posts=None, authority=None, port=0):
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body, status=200):
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(html.encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path in (posts or {}):
                    status, content = posts[self.path]()
                    return self.answer(content, status)
                heard(*json.loads(body))
                self.answer(b"")

            def log_message(self, *_):
                pass

        self.server = WebServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.browser = Browser(processes, name, browser, f"http://127.0.0.1:{self.server.server_port}/", authority)

    def close(self):
        try:
            self.browser.close()
        finally:
            self.server.shutdown()


def follow(processes, name, urls, tells, client, authority=None):
    """A page that follows streams with the browser's own EventSource, as it is or as the document advises."""
    browser = client.removesuffix("-anew")
    html = FOLLOW % json.dumps(urls) if client == browser else anew(urls)
    return Page(processes, name, html, lambda stream, event, data: tells[stream](event, data), browser, authority=authority)
