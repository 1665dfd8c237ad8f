"""An exchange of ten instruments: a channel for each, an event for each price."""

import json
import pathlib
import random
import threading
import time

from support.redis import Redis
from support.web import in_background, serve

SYMBOLS = ["BELL", "CLAR", "CORN", "DRUM", "FIFE", "GONG", "HORN", "LUTE", "OBOE", "TUBA"]
KEPT = 40

redis = Redis()
lock = threading.Lock()
ticks = {symbol: [{"symbol": symbol, "number": 1, "price": round(random.uniform(20, 200), 2)}] for symbol in SYMBOLS}


def tick(symbol):
    last = ticks[symbol][-1]
    price = round(max(1, last["price"] * random.uniform(0.994, 1.006)), 2)
    ticks[symbol].append({"symbol": symbol, "number": last["number"] + 1, "price": price})
    del ticks[symbol][:-KEPT]


def trade():
    while True:
        symbol = random.choice(SYMBOLS)
        with lock:
            tick(symbol)
            redis.publish(f"ticker:{symbol}", json.dumps(ticks[symbol][-1]), "tick", maxlen=200)
        time.sleep(0.15)


def prices(_request):
    with lock:
        return ticks


for _ in range(300):
    tick(random.choice(SYMBOLS))
in_background(trade)
serve(pathlib.Path(__file__).parent, {("GET", "/prices"): prices})
