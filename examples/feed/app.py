"""A feed: posts in a database, pages of them, and an event for each new one."""

import json
import pathlib
import random
import sqlite3
import threading
import time

from support.redis import Error, Redis
from support.web import Refused, in_background, serve

PAGE = 20
TALK = ["Has anybody seen the score?", "The rehearsal is at seven.", "New reeds have come.", "Bar 42, again.", "Bravo!", "The hall is booked."]

redis = Redis()
lock = threading.Lock()
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, name TEXT, text TEXT, at REAL)")


def add(name, text):
    with lock, database:
        at = time.time()
        post = {"id": database.execute("INSERT INTO posts (name, text, at) VALUES (?, ?, ?)", (name, text, at)).lastrowid,
                "name": name, "text": text, "at": at}
    # First stored, then published: what was published up to some position is in the database for whoever reads it after that position.
    redis.publish("feed", json.dumps(post), "post", maxlen=1000)
    return post


def position():
    """Behind the newest event."""
    try:
        facts = redis.command("XINFO", "STREAM", "sse:feed")
    except Error:
        # There is no stream: before the first one.
        return "0-0"
    return facts[facts.index("last-generated-id") + 1]


def posts(_request, before):
    # First the position, then the posts. What comes in between is in both, and the page knows it by its id.
    place = position()
    with lock:
        rows = database.execute("SELECT id, name, text, at FROM posts WHERE id < ? ORDER BY id DESC LIMIT ?", (int(before or 1 << 62), PAGE))
        return {"position": place, "posts": [dict(zip(("id", "name", "text", "at"), row)) for row in rows]}


def new_post(request):
    name, text = (str(request.body.get(key, "")).strip() for key in ("name", "text"))
    if not (0 < len(name) <= 40 and 0 < len(text) <= 500):
        raise Refused(400)
    return add(name, text)


def orchestra():
    while True:
        time.sleep(random.uniform(4, 9))
        add(random.choice(["Ada", "Clara", "Grace", "Ignaz"]), random.choice(TALK))


for number in range(30):
    add("Ignaz", f"Tuning. Minutes to go: {30 - number}.")
in_background(orchestra)
serve(pathlib.Path(__file__).parent, {("GET", r"/posts(?:\?before=(\d+))?"): posts, ("POST", "/posts"): new_post})
