"""A match and a poll about it: votes come as fast as they like, totals go out four times a second at most."""

import json
import pathlib
import random
import secrets
import threading
import time

from support.redis import Redis
from support.web import Refused, in_background, serve

CHOICES = ["Brass", "Strings", "A draw"]
SECONDS_BETWEEN_TOTALS = 0.25

redis = Redis()
lock = threading.Lock()
totals = dict.fromkeys(CHOICES, 0)
voters = {}
match = {"version": 0, "minute": 0, "brass": 0, "strings": 0}


def vote(request):
    choice, voter = request.body.get("choice"), request.cookies.get("voter")
    if choice not in totals:
        raise Refused(400)
    if voter not in voters:
        voter = secrets.token_urlsafe()
        request.set_cookie = f"voter={voter}"
    with lock:
        # Who votes again has changed their mind.
        if voter in voters:
            totals[voters[voter]] -= 1
        voters[voter] = choice
        totals[choice] += 1
    return {}


def count():
    """Publishes what has changed since the last time: a thousand votes are one event."""
    told = None
    while True:
        with lock:
            now = {"version": time.time(), "totals": dict(totals)}
        if now["totals"] != told:
            redis.publish("poll", json.dumps(now), "totals", maxlen=10)
            told = now["totals"]
        time.sleep(SECONDS_BETWEEN_TOTALS)


def play():
    for minute in range(1, 10_000):
        goal = random.choice(["brass", "strings", "", "", "", "", "", ""])
        with lock:
            match.update(version=time.time(), minute=minute)
            if goal:
                match[goal] += 1
            redis.publish("match", json.dumps(match), "score", maxlen=10)
        time.sleep(2)


def crowd():
    while True:
        with lock:
            totals[random.choices(CHOICES, [5, 4, 2])[0]] += 1
        time.sleep(random.uniform(0.1, 0.6))


def state(request):
    with lock:
        mine = voters.get(request.cookies.get("voter"))
        return {"totals": {"version": time.time(), "totals": totals}, "score": match, "mine": mine}


for part in (count, play, crowd):
    in_background(part)
serve(pathlib.Path(__file__).parent, {("POST", "/vote"): vote, ("GET", "/state"): state})
