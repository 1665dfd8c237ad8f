# sudo apt-get install python3-redis, or pip install redis in a venv
# python3 publish.py CHANNEL DATA
import os
import sys

import redis

client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"), decode_responses=True)
channel, data = sys.argv[1:]
print(client.fcall("sse_publish", 1, f"sse:{channel}", "DATA", data, "EVENT", "created", "MAXLEN", 1000))
