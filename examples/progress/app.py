"""Does jobs that take a while, and publishes how far each is, on a channel of its own."""

import json
import os
import pathlib
import secrets
import threading
import time

from support.redis import Redis
from support.web import Refused, serve

JOB_SECONDS = float(os.environ.get("JOB_SECONDS", "20"))
STEPS = ["Reading the score", "Copying the parts", "Checking the slurs", "Printing"]
JOBS_MAX = 20

redis = Redis()
jobs = {}


def tell(job, percent):
    step = STEPS[min(len(STEPS) - 1, percent * len(STEPS) // 100)]
    jobs[job] = {"percent": percent, "step": "Done" if percent == 100 else step}
    # Nobody asks for it an hour after the end.
    redis.publish(f"job:{job}", json.dumps(jobs[job]), "done" if percent == 100 else "progress", ttl=3600, maxlen=200)


def work(job):
    for percent in range(1, 101):
        time.sleep(JOB_SECONDS / 100)
        tell(job, percent)


def start(_request):
    if sum(job["percent"] < 100 for job in jobs.values()) >= JOBS_MAX:
        raise Refused(429)
    job = secrets.token_hex(4)
    # Before the page knows its name, so that the channel has a stream.
    tell(job, 0)
    threading.Thread(target=work, args=[job], daemon=True).start()
    return {"job": job}


def state(_request, job):
    if job not in jobs:
        raise Refused(404)
    return jobs[job]


serve(pathlib.Path(__file__).parent, {("POST", "/jobs"): start, ("GET", r"/jobs/(\w+)"): state})
