"""The example *dashboard*: a minute of visitors, and the latest orders of a shop."""

import json
import random

from . import files

WIDTH, SCHEMES = 1200, ("light",)
SOURCES = files("examples/dashboard/index.html", "examples/support/style.css")

SALES = [("Notebook", 12), ("Coffee", 4.5), ("Headphones", 89), ("Lamp", 39), ("Coffee", 4.5), ("Chair", 149), ("Notebook", 12), ("Lamp", 39),
         ("Headphones", 89), ("Coffee", 4.5)]
ORDERS_BEFORE, REVENUE_BEFORE = 118, 5_237.5
# These come by the stream; what is before them is loaded.
LIVE_VISITORS, LIVE_SALES = 5, 2


def visitors():
    chance, count = random.Random(11), 236
    for number in range(1, 61):
        count += chance.randint(-9, 10)
        yield {"number": number, "count": count}


def sales():
    revenue = REVENUE_BEFORE
    for number, (product, price) in enumerate(SALES, ORDERS_BEFORE + 1):
        revenue += price
        yield {"number": number, "product": product, "price": price, "revenue": revenue}


def show(stage):
    counts, sold = list(visitors()), list(sales())
    state = {"visitors": counts[:-LIVE_VISITORS], "sales": sold[:-LIVE_SALES]}
    page = stage.example("dashboard", {("GET", "/state"): lambda _request: state})
    page.wait("the state is loaded", "loaded && document.querySelector('#status').textContent === 'live'")
    for event in counts[-LIVE_VISITORS:]:
        stage.publish("dashboard", json.dumps(event), "visitors")
    for event in sold[-LIVE_SALES:]:
        stage.publish("dashboard", json.dumps(event), "sale")
    page.wait("all of it is there", f"known.visitors.has({counts[-1]['number']}) && known.sale.has({sold[-1]['number']})")
    return page
