"""Signs people in, gets tickets for their streams, notifies them, and takes the tickets back when they log out."""

import hashlib
import hmac
import json
import os
import pathlib
import random
import secrets
import threading
import time
import tomllib
import urllib.request

from support.redis import Redis
from support.web import Refused, in_background, serve

NODE, ADMIN = os.environ["NODE_URL"], os.environ.get("ADMIN_URL", "http://127.0.0.1:9090")
# The node reads the same file.
KEY = os.environ.get("FANFARE_KEY", tomllib.loads((pathlib.Path(__file__).parent / "fanfare.toml").read_text())["publish"]["key"])
# A minute shows how one ticket follows the other; an hour suits an application.
TICKET_SECONDS = int(os.environ.get("TICKET_SECONDS", "60"))
# As many as a page shows are kept in Redis for those who come back.
KEPT = 50


def hashed(password, salt=None):
    salt = salt or secrets.token_bytes(16)
    return salt, hashlib.scrypt(password.encode(), salt=salt, n=16_384, r=8, p=1)


# An application keeps the hashes alone.
PASSWORDS = {user: hashed("fanfare") for user in ("ada", "grace")}

redis = Redis()
lock = threading.Lock()
sessions = {}
inboxes = {user: {"entries": [], "read": 0} for user in PASSWORDS}


class Session:
    def __init__(self, user):
        self.user, self.tickets, self.ended, self.lock = user, [], False, threading.Lock()


def post(url, body, headers=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=5) as answer:
        return json.load(answer)


def session_of(request):
    session = sessions.get(request.cookies.get("session"))
    if not session or session.ended:
        raise Refused(401)
    return session


def login(request):
    user, password = str(request.body.get("user")), str(request.body.get("password"))
    if user not in PASSWORDS:
        raise Refused(401)
    salt, expected = PASSWORDS[user]
    if not hmac.compare_digest(hashed(password, salt)[1], expected):
        raise Refused(401)
    name = secrets.token_urlsafe()
    sessions[name] = Session(user)
    request.set_cookie = f"session={name}"
    return {}


def ticket(request):
    session = session_of(request)
    with session.lock:
        if session.ended:
            raise Refused(401)
        order = {"channels": [f"user:{session.user}"], "sub": session.user, "lifetime": TICKET_SECONDS}
        made = post(f"{NODE}/tickets", order, {"Authorization": f"Bearer {KEY}"})
        # What is over needs no taking back. A ticket waits for its first use for as long as it says.
        session.tickets = [(over, text) for over, text in session.tickets if over > time.time()]
        session.tickets.append((time.time() + made["expires_in"] + TICKET_SECONDS, made["ticket"]))
        return {"url": NODE + made["url"]}


def logout(request):
    session = sessions.get(request.cookies.get("session"))
    if not session:
        raise Refused(401)
    # Ended first: from here on its cookie opens nothing. It is forgotten when its tickets are taken back, so that this can be tried again.
    session.ended = True
    with session.lock:
        for _, text in session.tickets:
            post(f"{ADMIN}/revocations", {"ticket": text})
    sessions.pop(request.cookies["session"], None)
    request.set_cookie = "session=; Max-Age=0"
    return {}


def notify(user, sender, text):
    with lock:
        entries = inboxes[user]["entries"]
        number = entries[-1]["number"] + 1 if entries else 1
        entries.append({"number": number, "from": sender, "text": text, "at": time.time()})
        del entries[:-KEPT]
        redis.publish(f"user:{user}", json.dumps(entries[-1]), "notification", maxlen=KEPT)


def send(request):
    session, to, text = session_of(request), request.body.get("to"), str(request.body.get("text")).strip()
    if to not in inboxes or not 0 < len(text) <= 500:
        raise Refused(400)
    notify(to, session.user, text)
    return {}


def read(request):
    """In all tabs and on all machines of this user. What the page has not got from here cannot be read yet."""
    user, upto = session_of(request).user, int(request.body.get("upto", 0))
    with lock:
        entries = inboxes[user]["entries"]
        inboxes[user]["read"] = max(inboxes[user]["read"], min(upto, entries[-1]["number"] if entries else 0))
        redis.publish(f"user:{user}", json.dumps({"upto": inboxes[user]["read"]}), "read", maxlen=KEPT)
    return {}


def inbox(request):
    user = session_of(request).user
    with lock:
        return {"user": user, "users": list(PASSWORDS), **inboxes[user]}


def shop():
    for number in range(4711, 10_000):
        notify(random.choice(list(PASSWORDS)), "shop", f"Order {number} has been {random.choice(['paid', 'packed', 'shipped'])}")
        time.sleep(random.uniform(4, 8))


in_background(shop)
serve(pathlib.Path(__file__).parent, {
    ("POST", "/login"): login, ("POST", "/logout"): logout, ("POST", "/live/ticket"): ticket,
    ("POST", "/send"): send, ("POST", "/read"): read, ("GET", "/inbox"): inbox,
})
