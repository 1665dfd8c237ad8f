"""What each example has to do, tried in Chromium against a real node."""

import json
import pathlib
import re
import socket

from . import looks, ports
from .servers import await_that

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "examples"

# Ten gap events in a row, as a page with many channels hears them.
GAPS = """for (let n = 0; n < 10; n++) source.dispatchEvent(new MessageEvent('$gap', {
  data: JSON.stringify({ channel: 'x', reason: 'reset', after: null, next: null }) }))"""

# From here on, what the page says of its connection.
SAID = """window.said = [], new MutationObserver(() => said.push(document.querySelector('#status').textContent))
  .observe(document.querySelector('#status'), { childList: true })"""


def live(page):
    page.wait("the page is connected", "document.querySelector('#status').textContent === 'live'")


def loads(page, path):
    """How often the page has loaded that."""
    return page.value(f"performance.getEntriesByType('resource').filter((entry) => new URL(entry.name).pathname === {json.dumps(path)}).length")


def gives_up_and_comes_back(world, page, meanwhile=lambda: None):
    """The node dies, and what the browser asks then is refused for good; the page opens a new stream itself, which is at first told to come
    back: it is open then, and not live."""
    page.refuse(True)
    world.node.restart()
    page.wait("the page says that it was refused", "document.querySelector('#status').textContent.startsWith('refused')")
    meanwhile()
    is_not_live_when_open(page)
    page.refuse(False)
    live(page)


def is_not_live_when_open(page):
    page.value(SAID)
    page.refuse(True, polite=True)
    # The second is asked for when the first was open, and at its end.
    await_that("the stream is open twice", lambda: page.refusals >= 2)
    said = page.value("said")
    assert said and "live" not in said, f"of streams that end as soon as they are open the page says {said}"


def loads_once_for_many_gaps(page, path):
    before = loads(page, path)
    page.value(GAPS)
    await_that("the page loads after gaps", lambda: loads(page, path) > before)
    # A second load of the same burst would have been asked for before the next answer of the page's server.
    page.value("new Promise((done) => setTimeout(done, 1_100))")
    assert loads(page, path) == before + 1, f"{loads(page, path) - before} loads for ten gaps"


def loads_after_a_reset(world, page, channel, path, publish=lambda: None):
    before = loads(page, path)
    world.redis.command("DEL", f"sse:{channel}")
    publish()
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
    offered = "[...document.querySelector('select').options].map((option) => option.value).join()"
    for page, other in ((ada, "grace"), (grace, "ada")):
        page.wait("the other users are offered", f"{offered} === '{other}'")
    shows = lambda text: f"document.querySelector('#entries').innerText.includes({json.dumps(text)})"  # noqa: E731
    send(grace, "ada", "first")
    for page in (ada, tab):
        page.wait("the message is there", shows("grace: first"))
    assert not grace.value(shows("grace: first")), "the channel of one user is shown to another"

    grace.value("document.querySelector('select').add(new Option('nobody'))")
    send(grace, "nobody", "to nobody")
    grace.wait("the page says that it was not sent", "document.querySelector('#failed').textContent.includes('400')")
    grace.value("document.querySelector('input[name=text]').value = ''")

    # The page does not wait until the browser is refused with the old one.
    ada.value(SAID)
    before = loads(ada, "/live/ticket")
    await_that("the next ticket", lambda: loads(ada, "/live/ticket") > before)
    assert set(ada.value("said")) <= {"live"}, f"at the end of a ticket the page says {ada.value('said')}"
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

    # Redis removes whole blocks of 100 entries.
    grace.value("(async () => { for (let number = 0; number < 200; number++) await post('/send', { to: 'ada', text: `number ${number}` }); })()")
    ada.wait("the last message is there", shows("grace: number 199"))
    kept = int(world.redis.command("XLEN", "sse:user:ada"))
    assert 50 <= kept <= 150, f"of more than 200 notifications Redis keeps {kept}"

    url = ada.value("source.url")
    status = lambda: world.status(url)  # noqa: E731
    assert world.status(url + "&channel=user:grace") == 403
    ada.tab_to("#logout")
    ada.press("Enter")
    for page in (ada, tab):
        page.wait("the page is logged out", "!document.querySelector('#login').hidden && document.querySelector('#inbox').hidden")
    await_that("the ticket is worth nothing", lambda: status() == 401)


def failed_logout(world):
    """Where tickets cannot be taken back, nobody is told that they were; and the session ends all the same."""
    admin = ports.take()
    page = world.open("notifications", ADMIN_URL=f"http://127.0.0.1:{admin}", TICKET_SECONDS="600")
    log_in(page, "ada")
    tab = world.page(beside=page)
    live(tab)
    url = page.value("source.url")
    page.tab_to("#logout")
    page.press("Enter")
    page.wait("the page says that it failed", "document.querySelector('#failed').textContent.includes('Not logged out')")
    assert not page.value("document.querySelector('#inbox').hidden"), "the page says at the same time that it is logged out"
    assert page.value("fetch('/inbox').then((answer) => answer.status)") == 401, "the cookie still opens the inbox"
    assert world.status(url) == 200, "the ticket was taken back, though the node was not reached"
    # The node can be told again: the page's button does what it says.
    world.node.admin = admin
    world.node.restart()
    page.press("Enter")
    for each in (page, tab):
        each.wait("the page is logged out", "!document.querySelector('#login').hidden && document.querySelector('#inbox').hidden")
    await_that("the ticket is worth nothing", lambda: world.status(url) == 401)


def wrong_key(world):
    """What the node refuses is in the log of the page's server."""
    page = world.open("notifications", FANFARE_KEY="not-the-node's")
    page.type("input[name=user]", "ada")
    page.type("input[name=password]", "fanfare")
    page.press("Enter")
    page.wait("the page tries again", "document.querySelector('#status').textContent.includes('trying again')")
    # The other case of this example writes to the same file: the node's port tells them apart.
    folder = lambda: re.search(rf":{world.node.port}, logs (\S+)\. Ctrl-C", world.run.log.read_text())  # noqa: E731
    await_that("the example says where its logs are", folder)
    log = pathlib.Path(folder().group(1)) / "app.log"
    await_that("the log says why", lambda: "HTTP Error 401" in log.read_text())


def ticker(world):
    page = world.open("ticker")
    live(page)
    numbers = lambda symbol: page.value(f"[...known.get('{symbol}').keys()]")  # noqa: E731
    newest = lambda: {symbol: numbers(symbol)[-1] for symbol in page.value("SYMBOLS")}  # noqa: E731
    page.wait("the prices are loaded", "loaded")
    before = newest()
    gives_up_and_comes_back(world, page)
    await_that("every price moves", lambda: all(number > before[symbol] for symbol, number in newest().items()))
    assert loads(page, "/prices") == 1, "the page has loaded the prices again, though nothing was missed"
    loads_once_for_many_gaps(page, "/prices")

    # Two that are left out, and chosen again when they have moved on.
    for symbol in ("GONG", "TUBA"):
        toggle(page, symbol)
    assert len(page.value("new URL(source.url).searchParams.getAll('channel')")) == 8
    live(page)
    left = newest()
    truth = lambda: world.get("/prices")  # noqa: E731
    await_that("prices move meanwhile", lambda: all(truth()[symbol][-1]["number"] > left[symbol] + 1 for symbol in ("GONG", "TUBA")))
    assert [newest()[symbol] for symbol in ("GONG", "TUBA")] == [left[symbol] for symbol in ("GONG", "TUBA")]
    before = loads(page, "/prices")
    for symbol in ("GONG", "TUBA"):
        toggle(page, symbol)
    await_that("what was left out is loaded", lambda: loads(page, "/prices") > before)
    await_that("both move again", lambda: all(newest()[symbol] > left[symbol] + 1 for symbol in ("GONG", "TUBA")))
    for symbol in page.value("SYMBOLS"):
        contiguous(numbers(symbol), symbol)
    world.looks(page, "ticker")


def toggle(page, symbol):
    position = page.value(f"SYMBOLS.indexOf('{symbol}') + 1")
    page.tab_to(f"tbody tr:nth-child({position}) input")
    page.press(" ")


def feed(world):
    page = world.open("feed", refused=True)
    page.wait("the history is there, and the stream is refused", "items.size >= 20 && document.querySelector('#status').className === 'lost'")
    first = page.value("Math.max(...items.keys())")
    # Between the two.
    world.post("/posts", {"name": "Test", "text": "in between"})
    page.refuse(False)
    live(page)
    shows = lambda text: f"[...document.querySelectorAll('#posts p')].filter((p) => p.textContent === {json.dumps(text)}).length === 1"  # noqa: E731
    page.wait("what was posted in between is there", shows("in between"))
    page.type("input[name=text]", "by the form")
    page.press("Enter")
    page.wait("one's own post is there", shows("by the form"))
    gives_up_and_comes_back(world, page, lambda: world.post("/posts", {"name": "Test", "text": "meanwhile"}))
    page.wait("what was posted meanwhile is there", shows("meanwhile"))
    # The page's own and the form's.
    assert loads(page, "/posts") == 2, "the page has loaded its posts again, though nothing was missed"
    loads_after_a_reset(world, page, "feed", "/posts", lambda: world.post("/posts", {"name": "Test", "text": "a new stream"}))
    loads_once_for_many_gaps(page, "/posts")
    page.tab_to("#older")
    page.press("Enter")
    page.wait("older posts are there", f"items.has({first - 25})")
    contiguous(page.value("[...items.keys()].sort((a, b) => a - b)"), "posts")
    shown = page.value("[...items].sort(([a], [b]) => b - a).every(([, item], n) => document.querySelector('#posts').children[n] === item)")
    assert shown, "the posts are not in order"
    world.looks(page, "feed")


def progress(world):
    page = world.open("progress", JOB_SECONDS="30")
    percent = lambda: page.value("document.querySelector('#bar').value")  # noqa: E731
    page.tab_to("#start")
    page.press("Enter")
    live(page)
    path = "/jobs/" + page.value("job()")
    gives_up_and_comes_back(world, page)
    assert loads(page, path) == 1, "the page has loaded the job again, though nothing was missed"
    loads_once_for_many_gaps(page, path)
    # A page that is opened in the middle knows what was before.
    other = world.page(hash=page.value("location.hash"))
    live(other)
    other.wait("the other page knows the job", "document.querySelector('#bar').value > 0")
    world.looks(page, "progress")
    for each in (page, other):
        each.wait("the job is done", "document.querySelector('#status').textContent === 'done'")
        assert each.value("source.readyState") == 2, "the stream of a job that is done stays open"
    assert percent() == 100


def log_tail(world):
    page = world.open("log-tail")
    live(page)
    numbers = lambda: page.value(  # noqa: E731
        "[...document.querySelector('#log').children].map((line) => Number(line.textContent.match(/request (\\d+)$/)?.[1]))")
    await_that("there are lines", lambda: len(numbers()) > 3)
    before = numbers()[-1]
    gives_up_and_comes_back(world, page)
    await_that("lines go on", lambda: numbers()[-1] > before + 3)
    contiguous(numbers(), "lines")
    page.type("#filter", "error")
    page.wait("other lines are hidden", "[...document.querySelectorAll('#log li')].every((line) => line.hidden === !line.textContent.includes('ERROR'))")
    page.value("filter.value = '', filter.dispatchEvent(new Event('input'))")
    world.redis.command("DEL", "sse:log")
    page.wait("the page says where lines are missing", "document.querySelectorAll('#log .missing').length === 1")
    await_that("lines go on", lambda: numbers()[-1])
    other = world.page()
    live(other)
    other.wait("a page that comes later begins with the newest lines", "document.querySelectorAll('#log li').length > 1")
    world.looks(page, "log-tail")


def polls(world):
    page = world.open("polls")
    live(page)
    votes = lambda: page.value("Number(document.querySelector('#votes').textContent)")  # noqa: E731
    await_that("votes are counted", lambda: votes() > 3)
    before = votes()
    gives_up_and_comes_back(world, page)
    assert loads(page, "/state") == 1, "the page has loaded its state again, though nothing was missed"
    await_that("votes go on", lambda: votes() > before + 3)
    # As many as the invented voters do not give in this time.
    counted = world.get("/state")["totals"]["totals"]["A draw"]
    for _ in range(60):
        world.post("/vote", {"choice": "A draw"})
    await_that("the votes are counted", lambda: page.value("known.totals.totals['A draw']") >= counted + 60)
    page.tab_to(".choice input")
    page.press(" ")
    other = world.page(beside=page)
    other.wait("one's own vote is remembered", "document.querySelector('.choice input').checked")
    page.wait("there is a score", "/^\\d+ : \\d+$/.test(document.querySelector('#goals').textContent)")
    loads_after_a_reset(world, page, "match", "/state")
    loads_once_for_many_gaps(page, "/state")
    world.looks(page, "polls")


def viewers(world):
    page = world.open("viewers")
    live(page)
    counts = lambda page, readers: page.wait(  # noqa: E731
        f"the page shows {readers}", f"document.querySelector('#readers').textContent === '{readers}'")
    counts(page, 1)
    other = world.page()
    for each in (page, other):
        counts(each, 2)
    # One is closed, and the other hears of it.
    world.pages.remove(other)
    other.close()
    counts(page, 1)
    for readers in (2, 1):
        page.tab_to("#further")
        page.press("Enter")
        counts(page, readers)
    page.refuse(True)
    world.node.restart()
    page.wait("the page says that it was refused", "document.querySelector('#status').textContent.startsWith('refused')")
    counts(page, "–")
    is_not_live_when_open(page)
    counts(page, "–")
    page.refuse(False)
    live(page)
    counts(page, 1)
    world.looks(page, "viewers")


def as_written(world):
    """The commands of the documents, with nothing given: they bring a Redis and a node, and leave nothing behind. One after the other,
    because each looks for free ports."""
    listening = world.open_as_written("make example NAME=ticker")
    page = world.page()
    live(page)
    world.pages.remove(page)
    page.close()
    world.end()
    free_again(listening)

    readme = (EXAMPLES / "notifications" / "README.md").read_text()
    listening = world.open_as_written(re.search(r"^cp -r .* && make example NAME=\S+$", readme, re.MULTILINE)[0])
    log_in(world.page(), "ada")
    world.end()
    free_again(listening)


def free_again(listening):
    assert len(listening) == 3, f"the page, Redis and a node: {listening}"
    for port in listening:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)), f"something still listens on {port}"


CASES = [dashboard, notifications, failed_logout, wrong_key, ticker, feed, progress, log_tail, polls, viewers, as_written]
