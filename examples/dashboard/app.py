"""A shop that publishes how many visitors it has and what it sells, and answers what the page loads."""

import json
import pathlib
import random
import threading
import time

from support.redis import Redis
from support.web import in_background, serve

PRODUCTS = {"Coffee": 4.5, "Notebook": 12, "Lamp": 39, "Headphones": 89, "Chair": 149}
VISITORS_KEPT, SALES_KEPT = 60, 8

redis = Redis()
lock = threading.Lock()
visitors, sales = [], []


def count_visitors():
    before = visitors[-1] if visitors else {"number": 0, "count": 240}
    visitors.append({"number": before["number"] + 1, "count": max(20, before["count"] + random.randint(-9, 9))})
    del visitors[:-VISITORS_KEPT]


def sell():
    product, price = random.choice(list(PRODUCTS.items()))
    before = sales[-1] if sales else {"number": 0, "revenue": 0}
    # Each event has the totals: whoever has the newest one has the truth.
    sales.append({"number": before["number"] + 1, "product": product, "price": price, "revenue": before["revenue"] + price})
    del sales[:-SALES_KEPT]
    redis.publish("dashboard", json.dumps(sales[-1]), "sale", maxlen=500)


def trade():
    while True:
        with lock:
            count_visitors()
            redis.publish("dashboard", json.dumps(visitors[-1]), "visitors", maxlen=500)
            if random.random() < 0.6:
                sell()
        time.sleep(1)


def state(_request):
    with lock:
        return {"visitors": visitors, "sales": sales}


# The shop has been open for a minute.
for _ in range(VISITORS_KEPT):
    count_visitors()
in_background(trade)
serve(pathlib.Path(__file__).parent, {("GET", "/state"): state})
