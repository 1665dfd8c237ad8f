"""The recipes for nginx, in nginx and in front of a node."""

import http.client
import http.server
import subprocess
import threading

from harness import ports
from harness.servers import await_that

from . import COMMAND_SECONDS, ROOT, STREAM_SECONDS


class Application(http.server.BaseHTTPRequestHandler):
    """Decides who may read what, for the recipes: whoever has the cookie may read the channel `mine`."""

    def do_GET(self):
        allowed = "user=7" in self.headers.get("Cookie", "")
        self.send_response(204 if allowed else 403)
        if allowed:
            self.send_header("X-Channels", "channel=mine")
            # Without it a node that wants one lets nobody in.
            if "user=7; forgetful" not in self.headers["Cookie"]:
                self.send_header("X-Fanfare-Token", self.server.token)
        self.end_headers()

    def log_message(self, *_):
        pass


class BehindNginx:
    """A node behind a recipe for nginx that asks an application."""

    def __init__(self, world, recipe, file=None):
        self.world, secret = world, "a secret of thirty-two bytes or more"
        self.application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        (world.scratch / "secret").write_text(secret)
        (world.scratch / "secret").chmod(0o600)
        mint = [world.binary, "token", "mint", "--secret-file", world.scratch / "secret", "--issuer", "my-app", "--audience", "fanfare",
                "--subject", "7", "--subscribe", "mine"]
        self.application.token = subprocess.run(mint, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS).stdout.strip()
        threading.Thread(target=self.application.serve_forever, daemon=True).start()
        file = file and file.replace("/etc/fanfare/secret", str(world.scratch / "secret"))
        self.node, self.port = world.node("behind-nginx", file=file), ports.take()
        world.redis.publish("mine", "what is mine")
        world.redis.publish("secret", "what is secret")
        conf = world.scratch / "nginx.conf"
        conf.write_text(f"""
            daemon off; error_log stderr; pid {world.scratch}/nginx.pid; events {{}}
            http {{
              access_log off; {" ".join(f"{kind}_temp_path {world.scratch}/{kind};" for kind in
                                        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])}
              upstream fanfare {{ server 127.0.0.1:{self.node.port}; }}
              upstream application {{ server 127.0.0.1:{self.application.server_port}; }}
              server {{ listen 127.0.0.1:{self.port}; {recipe} }}
            }}""")
        self.nginx = world.processes.start("nginx", ["nginx", "-c", str(conf), "-p", str(world.scratch)])

    def __enter__(self):
        await_that("nginx listens", lambda: self.get("/", {}).status == 404, self.nginx)
        return self

    def __exit__(self, *_):
        self.world.processes.end(self.nginx)
        self.world.processes.end(self.node.process)
        self.application.shutdown()

    def get(self, path, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STREAM_SECONDS)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def is_closed_to_others(self):
        assert self.get("/events?channel=mine", {}).status == 403, "a stranger reads"
        for path in ["/channels/secret/history", "/who", "/events/", "/metrics"]:
            assert self.get(path, {"Cookie": "user=7"}).status in (403, 404), f"{path} is open"

    def reads_mine_only(self, query):
        response = self.get(f"/events?{query}&last=5", {"Cookie": "user=7"})
        assert response.status == 200, f"{query}: {response.status}"
        self.world.redis.publish("secret", "what is secret")
        self.world.redis.publish("mine", "what is mine")
        seen = b""
        while b"what is mine" not in seen:
            seen += response.readline()
        assert b"secret" not in seen, f"{query}: {seen}"

    def resumes(self, query):
        here = self.world.redis.publish("mine", "before")
        self.world.redis.publish("mine", "after")
        for more, headers in [("", {"Last-Event-ID": here}), (f"&lastEventId={here}", {})]:
            response, seen = self.get(f"/events?{query}{more}", {"Cookie": "user=7", **headers}), b""
            while b"data: after" not in seen:
                seen += response.readline()
            assert b"data: before" not in seen and b"$gap" not in seen, f"no resumption: {seen}"


def check_nginx(world, sample):
    """Nobody reads without the application's leave, and nobody anything but what it names, or its token gives."""
    if "X-Fanfare-Token".lower().replace("-", "_") in sample.text:
        return check_nginx_with_tokens(world, sample)
    with BehindNginx(world, sample.text) as behind:
        behind.is_closed_to_others()
        for query in ["channel=secret", "channel=secret&channel=mine", "lastEventId=x%26channel%3Dsecret", "channel=mine%23&channel=secret"]:
            behind.reads_mine_only(query)
        behind.resumes("x=y")


def check_nginx_with_tokens(world, sample):
    file = '[auth]\nenabled = true\n[[auth.issuers]]\nissuer = "my-app"\naudience = ["fanfare"]\nsecret_file = "/etc/fanfare/secret"\n'
    assert all(line in (ROOT / "docs/auth.md").read_text() for line in file.splitlines()), "the document has another configuration"
    with BehindNginx(world, sample.text, file) as behind:
        behind.is_closed_to_others()
        for query in ["channel=secret", "channel=mine&channel=secret"]:
            status = behind.get(f"/events?{query}", {"Cookie": "user=7"}).status
            assert status == 403, f"{query}: {status}"
        for headers in [{"Cookie": "user=7; forgetful"}, {"Cookie": "user=7; forgetful", "Authorization": f"Bearer {behind.application.token}"}]:
            status = behind.get("/events?channel=mine", headers).status
            assert status == 401, f"without a token of the application: {status}"
        behind.reads_mine_only("channel=mine")
        behind.resumes("channel=mine")
