"""What each example has to do, tried in Chromium against a real node."""

import json

from . import looks
from .servers import await_that

# Ten gap events in a row, as a page with many channels hears them.
GAPS = """for (let n = 0; n < 10; n++) source.dispatchEvent(new MessageEvent('$gap', {
  data: JSON.stringify({ channel: 'x', reason: 'reset', after: null, next: null }) }))"""


def live(page):
    page.wait("the page is connected", "document.querySelector('#status').textContent === 'live'")


def loads(page, path):
    """How often the page has loaded that."""
    return page.value(f"performance.getEntriesByType('resource').filter((entry) => new URL(entry.name).pathname === {json.dumps(path)}).length")


def gives_up_and_comes_back(world, page, meanwhile=lambda: None):
    """The node dies, and what the browser asks then is refused for good; the page opens a new stream itself."""
    page.refuse(True)
    world.node.restart()
    page.wait("the page says that it was refused", "document.querySelector('#status').textContent.startsWith('refused')")
    meanwhile()
    page.refuse(False)
    live(page)


def loads_once_for_many_gaps(page, path):
    before = loads(page, path)
    page.value(GAPS)
    await_that("the page loads after gaps", lambda: loads(page, path) > before)
    # A second load of the same burst would have been asked for before the next answer of the page's server.
    page.value("new Promise((done) => setTimeout(done, 1_100))")
    assert loads(page, path) == before + 1, f"{loads(page, path) - before} loads for ten gaps"


def loads_after_a_reset(world, page, channel, path):
    before = loads(page, path)
    world.redis.command("DEL", f"sse:{channel}")
    await_that("the page loads after a gap", lambda: loads(page, path) > before)


def contiguous(numbers, what):
    wanted = list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers == wanted, f"{what}: {numbers}"


def dashboard(world):
    page = world.open("dashboard")
    live(page)
    page.wait("there are sales", "known.sale.size > 1 && known.visitors.size > 4")
    newest = lambda: page.value("[...known.visitors.keys()].at(-1)")  # noqa: E731
    heard = newest()
    gives_up_and_comes_back(world, page)
    await_that("the figures move on", lambda: newest() > heard + 3)
    contiguous(page.value("[...known.visitors.keys()]"), "visitors")
    assert loads(page, "/state") == 1, "the page has loaded its state again, though nothing was missed"
    loads_after_a_reset(world, page, "dashboard", "/state")
    loads_once_for_many_gaps(page, "/state")
    world.looks(page, "dashboard")


def log_in(page, user):
    """With the keyboard alone."""
    page.type("input[name=user]", user)
    page.type("input[name=password]", "fanfare")
    page.press("Enter")
    live(page)


def send(page, to, text):
    page.value(f"document.querySelector('select').value = {json.dumps(to)}")
    page.type("input[name=text]", text)
    page.press("Enter")


def notifications(world):
    ada = world.open("notifications", TICKET_SECONDS="10")
    ada.wait("nobody is logged in", "!document.querySelector('#login').hidden")
    world.looks(ada, "notifications-login")
    log_in(ada, "ada")
    grace = world.page()
    log_in(grace, "grace")
    tab = world.page(beside=ada)
    live(tab)
    shows = lambda text: f"document.querySelector('#entries').innerText.includes({json.dumps(text)})"  # noqa: E731
    send(grace, "ada", "first")
    for page in (ada, tab):
        page.wait("the message is there", shows("grace: first"))
    assert not grace.value(shows("grace: first")), "the channel of one user is shown to another"

    before = loads(ada, "/live/ticket")
    await_that("the next ticket", lambda: loads(ada, "/live/ticket") > before)
    gives_up_and_comes_back(world, ada, lambda: send(grace, "ada", "second"))
    ada.wait("the message is there", shows("grace: second"))
    contiguous(ada.value("[...entries.keys()]"), "notifications")
    assert loads(ada, "/inbox") == 1, "the page has loaded its inbox again, though nothing was missed"
    loads_once_for_many_gaps(ada, "/inbox")

    live(tab)
    ada.tab_to("#read")
    ada.press("Enter")
    tab.wait("the other tab knows what was read", "document.querySelector('#unread').textContent === '0 unread'")
    world.looks(ada, "notifications")

    url = ada.value("source.url")
    status = lambda: world.status(url)  # noqa: E731
    assert world.status(url + "&channel=user:grace") == 403
    ada.tab_to("#logout")
    ada.press("Enter")
    for page in (ada, tab):
        page.wait("the page is logged out", "!document.querySelector('#login').hidden && document.querySelector('#inbox').hidden")
    await_that("the ticket is worth nothing", lambda: status() == 401)


CASES = [dashboard, notifications]
