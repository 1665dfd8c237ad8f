"""What pages do with a way in, and what browsers and nodes must make of it.

A case has a `name`; the `ways` in that it is tried with, by name; `kind(site, wanted)` and `life(site)`, what the application gives to a
page that asks now, and for how many seconds that is good; `page(site, label)`, the page of a host; and `run(site)`, which raises a
`Fault` where something is not as it must be.
"""

import json
import time

from . import documents
from .front import PATIENCE, expect

HOUR = 3600
# Short, so that a few end in a few seconds; long enough for a farewell before.
SOON = 4
# For so long a browser stays away that was refused politely, at most.
AWAY = 15
PACE = 0.05

# `say` passes words on to the case, `enter` gets a way in from the application, and `listen` tells all that an EventSource hears.
COMMON = """<!doctype html><meta charset="utf-8"><script type="module">
let words = [], telling = false;
const say = async (...word) => {
  words.push(word);
  if (telling) return;
  telling = true;
  while (words.length) {
    const now = words;
    words = [];
    await fetch('/said', { method: 'POST', body: JSON.stringify(now) });
  }
  telling = false;
};
const enter = async (to, kind = 'good') => (await fetch('/enter', { method: 'POST', body: JSON.stringify({ to, kind }) })).json();
const listen = ({ url, init }, by) => {
  const source = new EventSource(`${url}&by=${by}`, init);
  for (const name of ['message', '$ready', '$gap', '$expired']) source.addEventListener(name, (event) => say(by, name, event.data));
  source.addEventListener('error', () => say(by, 'error', source.readyState));
  return source;
};
const failure = (source) => new Promise((resolve) => source.addEventListener('error', resolve));
"""


class Case:
    ways, same_site = ("cookie", "session"), "Lax"

    def page(self, site, _label):
        return COMMON + self.script + "</script>"

    def kind(self, _site, wanted):
        return wanted

    def life(self, _site):
        return HOUR


def expect_shown(site, passed):
    expect(site.way.shown_by(passed), f"{passed.by}: the browser did not send what lets it in, so nothing was tried")


class OwnOrigin(Case):
    """The page is of the node's own origin: a proxy leads `/events` there to nodes."""

    name, script, label, fetch_site = "own-origin", "listen(await enter('app'), 'page');", "app", "same-origin"

    def run(self, site):
        site.await_heard("page", "$ready")
        site.publish(5)
        site.expect_everything("page")
        stream, *more = site.asked("page")
        expect(not more, "the stream did not last")
        expect_shown(site, stream)
        expect(stream.headers["Sec-Fetch-Site"] == self.fetch_site, f"Sec-Fetch-Site: {stream.headers['Sec-Fetch-Site']}")
        return stream


class ListedOrigin(OwnOrigin):
    """The page is of another origin, which `server.cors_origins` lists."""

    name, script, fetch_site = "listed-origin", "listen(await enter('live'), 'page');", "same-site"

    def run(self, site):
        stream = super().run(site)
        expect(stream.headers["Origin"] == site.origin("app"), f"Origin: {stream.headers['Origin']}")


# What a page tries that may read nothing; each attempt ends in what it got.
ATTEMPTS = """
const url = (by, path = '/events?channel=%(channel)s') => `%(live)s${path}${path.includes('?') ? '&' : '?'}by=${by}`;
const history = '/channels/%(channel)s/history';
const heard = (source) => new Promise((resolve) => {
  for (const name of ['message', '$ready', '$gap', '$expired']) source.addEventListener(name, (event) => resolve(`heard ${event.data}`));
  source.addEventListener('error', () => resolve(source.readyState === EventSource.CLOSED ? 'closed' : 'comes back'));
});
const read = (url, init) => fetch(url, init).then(async (response) => {
  if (response.type === 'opaque') return 'opaque';
  const { value } = await response.body.getReader().read();
  return `read ${response.status} ${new TextDecoder().decode(value)}`;
}, () => 'failed');
const load = (element, url) => new Promise((resolve) => {
  element.addEventListener('load', () => resolve('loaded'));
  element.addEventListener('error', () => resolve('failed'));
  element.src = url;
  document.head.append(element);
});
const credentials = 'include', mode = 'no-cors';
const attempts = {
  eventsource: (by) => heard(new EventSource(url(by), { withCredentials: true })),
  bare: (by) => heard(new EventSource(url(by))),
  fetch: (by) => read(url(by), { credentials }),
  history: (by) => read(url(by, history), { credentials }),
  opaque: (by) => read(url(by), { credentials, mode }),
  script: (by) => load(document.createElement('script'), url(by, history)),
  image: (by) => load(new Image(), url(by)),
  bearer: (by) => read(url(by), { headers: { Authorization: 'Bearer whatever' } }),
};
for (const [name, attempt] of Object.entries(attempts)) say(`%(label)s-${name}`, 'got', await attempt(`%(label)s-${name}`));
say('%(label)s', 'tried', '');
"""


class OtherOrigins(Case):
    """Pages of a host of the same site and of another site, neither of them listed, in the browser of a user who may follow the channel."""

    name, same_site, label = "other-origins", "None", "app"
    others = ("shop", "evil")
    got = {"eventsource": "closed", "bare": "closed", "fetch": "failed", "history": "failed", "opaque": "opaque",
           "script": "failed", "image": "failed", "bearer": "failed"}

    def page(self, site, label):
        if label in self.others:
            names = {"channel": site.channel, "live": site.origin("live"), "label": label}
            return COMMON + ATTEMPTS % names + "</script>"
        opened = "".join(f"open({json.dumps(site.origin(other))}, '_blank', 'noopener');" for other in self.others)
        return f"{COMMON}listen(await enter('live'), 'page');{opened}</script>"

    def run(self, site):
        site.await_heard("page", "$ready")
        site.publish(3)
        for label in self.others:
            site.await_heard(label, "tried")
        site.publish()
        site.expect_everything("page")
        for label in self.others:
            for name, wanted in self.got.items():
                self.expect_nothing(site, f"{label}-{name}", name, wanted)

    def expect_nothing(self, site, by, name, wanted):
        got = site.all_heard(by, "got")[0]
        expect(got == wanted, f"{by} got {got!r}")
        passed = site.asked(by)
        expect(passed, f"{by}: no request came")
        for one in passed:
            expect(not one.answered("access-control-allow-origin"), f"{by}: {one.command} is allowed by CORS")
            expect(one.command == ("OPTIONS" if name == "bearer" else "GET"), f"{by}: {one.command}")
            if name == "bearer":
                continue
            if name == "bare":
                expect(one.status == 401, f"{by}: {one.status}")
                continue
            expect_shown(site, one)
            site_of_page = "cross-site" if by.startswith("evil") else "same-site"
            expect(one.headers["Sec-Fetch-Site"] == site_of_page, f"{by}: Sec-Fetch-Site: {one.headers['Sec-Fetch-Site']}")
            expect(one.status == 403 and one.says("cross-site"), f"{by}: {one.status}")
            has_origin = name in ("eventsource", "fetch", "history")
            expect(("Origin" in one.headers) == has_origin, f"{by}: Origin: {one.headers['Origin']}")


# The page as docs/auth.md advises. `made` counts its EventSources: what comes back by itself needs one only.
ADVISED = """
let made = 0;
window.EventSource = class extends EventSource {
  constructor(...all) {
    super(...all);
    say('page', 'made', ++made);
    this.addEventListener('$expired', (event) => say('page', '$expired', event.data));
  }
};
%s
const { url } = await enter('live', 'keep');
follow(url, () => enter('live'), (name, data) => say('page', name, data));
"""


def is_polite(stream):
    """Whether what let it in is over, and it was refused with a stream that ends at once."""
    return stream.status == 200 and stream.answered("content-length") and stream.says("event: $expired\ndata: {}\n")


class Renewed(Case):
    """What the application gives ends again and again, and each time the page has a fresh one in time."""

    name, ends = "renewed", 4

    def life(self, site):
        # On a slow machine it may not be in time.
        return SOON + (AWAY if site.streams() and is_polite(site.streams()[-1]) else 0)

    @property
    def script(self):
        return ADVISED % documents.script("auth.md", "In a page")

    def is_over(self, site):
        """Whether streams ended for as many cookies as wanted, and one goes on."""
        *ended, last = site.streams()
        cookies = {stream.headers["Cookie"] for stream in ended if stream.says("event: $expired") and not is_polite(stream)}
        return len(cookies) >= self.ends and last.says("\nid: ") and not last.says("event: $expired")

    def run(self, site):
        site.await_heard("page", "$ready")
        deadline = time.monotonic() + PATIENCE
        while not self.is_over(site):
            expect(time.monotonic() < deadline, f"not over in {PATIENCE} s; heard {site.heard[-3:]}")
            site.publish()
            time.sleep(PACE)
        site.publish(20)
        site.expect_everything("page")
        self.expect_streams(site)

    def expect_streams(self, site):
        """That the browser came back by itself, and each time with its place."""
        expect(len(site.all_heard("page", "made")) == 1, "the browser did not come back by itself")
        first, *others = site.streams()
        expect("Last-Event-ID" not in first.headers, "the first stream has a place")
        expect(all("Last-Event-ID" in stream.headers for stream in others), "it came back without its place")
        expect(all(stream.status == 200 for stream in site.streams()), "a stream was refused for ever")


class Late(Renewed):
    """The browser comes back with a token that is over, within `auth.expired_grace`: it is told so, has a fresh one, and comes back."""

    name, ways, ends = "late", ("cookie",), 1

    def late(self, site):
        """The refusals of a token that was over when the page got it."""
        first, *others = site.streams()
        return [stream for stream in others if is_polite(stream) and stream.headers["Cookie"] != first.headers["Cookie"]]

    def kind(self, site, wanted):
        return "late" if wanted == "good" and site.streams() and not self.late(site) else wanted

    def is_over(self, site):
        return self.late(site) and super().is_over(site)

    def expect_streams(self, site):
        super().expect_streams(site)
        polite = self.late(site)[0]
        expect(polite.says(f"\nid: {polite.headers['Last-Event-ID']}\n"), "the refusal does not tell the place again")


class Anew(Renewed):
    """As if the machine had slept: the browser comes back with a token that is over for long, and gives up. The page opens anew."""

    name, ways, ends = "anew", ("cookie",), 1

    def kind(self, site, wanted):
        streams = site.streams()
        if wanted == "good" and streams and all(stream.status != 401 for stream in streams):
            return "stale"
        return wanted

    def is_over(self, site):
        return len(site.all_heard("page", "made")) > 1 and super().is_over(site)

    def expect_streams(self, site):
        refused = [stream for stream in site.streams() if stream.status == 401]
        expect(len(refused) == 1, f"{len(refused)} requests were refused for ever")
        expect(len(site.all_heard("page", "made")) == 2, "the page did not open exactly one more")
        opened = next(stream for stream in site.streams() if "lastEventId=" in stream.target)
        expect("Last-Event-ID" not in opened.headers, "it was the old one that came back")


class Refused(Case):
    """What is no way in ends an EventSource for ever, and so does a page that leaves `withCredentials` out."""

    name = "refused"
    # Longer than browsers wait before they come back, if they have been told nothing.
    quiet = 7

    def page(self, site, _label):
        kinds = json.dumps(list(site.way.refused))
        return COMMON + f"""
for (const kind of {kinds}) await failure(listen(await enter('live', kind), kind));
listen(await enter('live'), 'good');
</script>"""

    def run(self, site):
        site.await_heard("good", "$ready")
        # Nothing tells that nothing comes.
        time.sleep(self.quiet)
        site.publish()
        site.expect_everything("good")
        for kind, status in site.way.refused.items():
            heard = [word[1:] for word in site.heard if word[0] == kind]
            expect(heard == [["error", 2]], f"{kind}: heard {heard}, expected that it is CLOSED (2) and no more")
            answers = [passed.status for passed in site.asked(kind)]
            expect(answers == [status], f"{kind}: answered {answers}, expected {status} once")


class Preflight(Case):
    """A client on `fetch` with `Authorization` is let in by a preflight, once for each URL."""

    name, ways = "preflight", ("bearer",)
    script = """
const { url, token } = await enter('live');
// Reads until that event has come, leaves, and returns the place.
const read = async (headers, until) => {
  const leave = new AbortController();
  const all = { Accept: 'text/event-stream', Authorization: `Bearer ${token}`, ...headers };
  const response = await fetch(url, { headers: all, signal: leave.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '', place;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error('it ended');
    const blocks = (text + value).split('\\n\\n');
    text = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.split('\\n').find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      place = field('id') ?? place;
      const name = field('event') ?? 'message';
      if (field('data') !== undefined) say('page', name, field('data'));
      if (name === 'message' && field('data') === until) {
        leave.abort();
        return place;
      }
    }
  }
};
const place = await read({}, '3');
say('page', 'left', '');
await read({ 'Last-Event-ID': place }, '6');
const wrong = await fetch(url, { headers: { Authorization: 'Bearer wrong' } });
say('page', 'wrong', `${wrong.status} ${(await wrong.json()).type}`);
say('page', 'before', '');
await fetch(`${url}&lastEventId=${place}`, { headers: { Authorization: 'Bearer wrong' } });
say('page', 'over', '');
"""

    def run(self, site):
        site.await_heard("page", "$ready")
        site.publish(3)
        site.await_heard("page", "left")
        site.publish(3)
        site.expect_everything("page")
        site.await_heard("page", "wrong")
        expect(site.all_heard("page", "wrong") == ["401 urn:fanfare:problem:token-invalid"], "a page cannot read why it is refused")
        site.await_heard("page", "over")
        asked = [(passed.command, "lastEventId" in passed.target) for passed in site.passed]
        wanted = [("OPTIONS", False), *[("GET", False)] * 3, ("OPTIONS", True), ("GET", True)]
        expect(asked == wanted, f"requests (and whether they are to another URL): {asked}")
        preflight, first, second = site.passed[:3]
        expect("authorization" in preflight.headers["Access-Control-Request-Headers"], "the preflight asks for something else")
        expect(preflight.status == 204 and preflight.answered("access-control-max-age"), f"preflight: {preflight.status}")
        expect_shown(site, first)
        expect("Cookie" not in first.headers, "a cookie went along")
        expect("Last-Event-ID" in second.headers, "the second stream has no place")


CASES = [case() for case in (OwnOrigin, ListedOrigin, OtherOrigins, Renewed, Late, Anew, Refused, Preflight)]
