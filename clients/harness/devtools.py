"""Pages in a headless Chromium that are driven from here, over the DevTools protocol and a pipe: no driver, no library."""

import base64
import itertools
import json
import os
import pathlib
import tempfile
import threading

from . import browser
from .servers import PATIENCE, await_that

# What a keyboard sends.
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), " ": (32, " ")}
# What a stream is answered that has no place now: come back. An `EventSource` opens, and is at its end.
POLITE = {"responseCode": 200, "body": base64.b64encode(b"retry: 100\n\n").decode(), "responseHeaders": [
    {"name": "Content-Type", "value": "text/event-stream"}, {"name": "Access-Control-Allow-Origin", "value": "*"}]}


class Chromium:
    """`options`: more of its command line."""

    def __init__(self, processes, options=()):
        self.processes = processes
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read, from_browser = os.pipe()
        to_browser, write = os.pipe()
        options = [*browser.chromium(self.profile.name), "--remote-debugging-pipe", "--hide-scrollbars", *options, "about:blank"]
        # It reads at 3 and writes at 4.
        self.process = processes.start("chromium", ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "-",
                                                    browser.program("chromium"), *options], pass_fds=(to_browser, from_browser))
        os.close(to_browser)
        os.close(from_browser)
        self.commands, self.answers = os.fdopen(write, "wb", buffering=0), os.fdopen(read, "rb")
        self.numbers, self.lock = itertools.count(1), threading.Lock()
        self.waiting, self.pages = {}, {}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        buffer = b""
        while piece := self.answers.read1(1 << 16):
            *messages, buffer = (buffer + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    done = self.waiting.pop(message["id"], None)
                    if done:
                        done(message)
                elif message.get("sessionId") in self.pages:
                    self.pages[message["sessionId"]].told(message["method"], message["params"])

    def send(self, method, params=None, session=None, done=None):
        number = next(self.numbers)
        if done:
            self.waiting[number] = done
        message = {"id": number, "method": method, "params": params or {}, **({"sessionId": session} if session else {})}
        with self.lock:
            self.commands.write(json.dumps(message).encode() + b"\0")

    def ask(self, method, params=None, session=None):
        came, answer = threading.Event(), {}
        self.send(method, params, session, lambda message: (answer.update(message), came.set()))
        assert came.wait(PATIENCE), f"the browser does not answer {method}"
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        return answer["result"]

    def page(self, url, beside=None, refused=False, before=lambda page: None):
        """A page with cookies of its own, or with those of another; `refused`: from the beginning, as `Page.refuse`; `before(page)` is called
        before it is loaded."""
        context = beside.context if beside else self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self.pages[session] = Page(self, context, target, session)
        page.ask("Page.enable")
        page.ask("Runtime.enable")
        # The keyboard reaches it, also while others are open.
        page.ask("Emulation.setFocusEmulationEnabled", {"enabled": True})
        page.size(1200)
        if refused:
            page.refuse(True)
        before(page)
        page.ask("Page.navigate", {"url": url})
        page.wait("the page is loaded", "document.readyState === 'complete' && location.href !== 'about:blank'")
        return page

    def close(self):
        self.processes.end(self.process)
        self.profile.cleanup()


class Page:
    def __init__(self, chromium, context, target, session):
        self.chromium, self.context, self.target, self.session = chromium, context, target, session
        self.refused, self.polite, self.refusals, self.errors = False, False, 0, []

    def ask(self, method, params=None):
        return self.chromium.ask(method, params, self.session)

    def told(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        if method == "Fetch.requestPaused":
            request = {"requestId": params["requestId"]}
            if self.refused:
                self.refusals += 1
                answer = POLITE if self.polite else {"responseCode": 503}
                self.chromium.send("Fetch.fulfillRequest", {**request, **answer}, self.session)
            else:
                self.chromium.send("Fetch.continueRequest", request, self.session)

    def value(self, script):
        """What an expression is, as JSON has it; a promise is awaited."""
        answer = self.ask("Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True})
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails'].get('exception', {}).get('description')}"
        return answer["result"].get("value")

    def wait(self, what, script):
        try:
            await_that(what, lambda: self.value(f"Boolean({script})"))
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says: {self.value('document.body.innerText')[:600]!r}, errors {self.errors}") from None

    def refuse(self, refused, polite=False):
        """Whether new streams are answered 503, which an `EventSource` takes as final, or told politely to come back."""
        self.ask("Fetch.enable", {"patterns": [{"urlPattern": "*/events?*"}]})
        self.refused, self.polite, self.refusals = refused, polite, 0

    def press(self, key):
        code, text = KEYS[key]
        event = {"key": key, "code": key if key != " " else "Space", "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", {"type": "keyDown", **event, **({"text": text} if text else {})})
        self.ask("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def tab_to(self, selector):
        """By the Tab key alone."""
        for _ in range(60):
            if self.value(f"document.activeElement?.matches({json.dumps(selector)})"):
                return
            self.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    def type(self, selector, text):
        self.tab_to(selector)
        self.ask("Input.insertText", {"text": text})

    def size(self, width, scheme="light"):
        self.ask("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
        self.ask("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def screenshot(self, path):
        """A PNG of the page, and of what is below it in the window."""
        height = self.value("document.documentElement.scrollHeight")
        pathlib.Path(path).write_bytes(self.image(min(max(height, 300), 1600)))

    def image(self, height):
        """Its uppermost pixels, as PNG."""
        # Others get no frames.
        self.ask("Page.bringToFront")
        clip = {"x": 0, "y": 0, "width": self.value("innerWidth"), "height": height, "scale": 1}
        image = self.ask("Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True})
        return base64.b64decode(image["data"])

    def close(self):
        self.chromium.ask("Target.closeTarget", {"targetId": self.target})
