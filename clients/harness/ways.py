"""The ways in which a page shows a node whose it is. Whatever is tried of one is tried of all that can do it.

A way has a `name`; `enter(site, to, kind)`, what the application does when its page asks for a way in to the node behind the host `to`:
the cookies that it sets, and what it tells the page (`init` for an EventSource; `url`, if it is not the usual one); `shown_by(passed)`,
whether a request brought it; and `refused`, how nodes answer each kind that is no way in.

Kinds: `good`; `wrong`, which nobody has signed; `late`, over for a moment, and `stale`, for long; `other`, good for another channel;
`none`; `bare`, good, and the page leaves `init` out; and `keep`: what the browser has stays as it is.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time

SECRET = secrets.token_hex(32)
ISSUER = f'[[auth.issuers]]\nissuer = "app"\naudience = ["fanfare"]\nsecret = "{SECRET}"\n'
# Longer ago than `auth.leeway`, which hides a second or two, and than `auth.expired_grace`.
LATELY, LONG_AGO = 10, 600


def token(channel, life, secret=SECRET, ago=0):
    """A JWT (RFC 7519) that was signed so many seconds ago."""
    now = int(time.time()) - ago
    claims = {"iss": "app", "aud": "fanfare", "sub": "7", "iat": now, "exp": now + life, "jti": secrets.token_hex(8)}
    parts = [{"alg": "HS256", "typ": "JWT"}, {**claims, "fanfare": {"subscribe": [channel]}}]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mark = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


def token_of(site, kind):
    life = site.case.life(site)
    return {
        "good": lambda: token(site.channel, life),
        "wrong": lambda: token(site.channel, life, secret="a secret that no node knows: 32 bytes"),
        "late": lambda: token(site.channel, 1, ago=LATELY),
        "stale": lambda: token(site.channel, 1, ago=LONG_AGO),
        "other": lambda: token("another", life),
    }[kind]()


def cookie(site, to, name, value):
    """As docs/auth.md advises: for the host alone, or for all hosts of the site. An empty value takes it away."""
    what = f"{prefix(to)}{name}={value}; Path=/; Secure; HttpOnly; SameSite={site.case.same_site}"
    return what + ("" if to == "app" else f"; Domain={site.name}.localhost") + ("" if value else "; Max-Age=0")


def prefix(to):
    return "__Host-" if to == "app" else "__Secure-"


class InCookie:
    def enter(self, site, to, kind):
        told = {"init": {} if kind == "bare" else {"withCredentials": True}}
        if kind == "keep":
            return [], told
        value = "" if kind == "none" else self.value(site, "good" if kind == "bare" else kind)
        return [cookie(site, to, self.cookie, value)], told

    def shown_by(self, passed):
        return f"-{self.cookie}=" in passed.headers.get("Cookie", "")


class Cookie(InCookie):
    """A token in a cookie."""

    name, cookie = "cookie", "token"
    refused = {"wrong": 401, "stale": 401, "other": 403, "none": 401, "bare": 401}

    def value(self, site, kind):
        return token_of(site, kind)


class Session(InCookie):
    """A session of the application, which nodes ask what it allows."""

    name, cookie = "session", "sid"
    refused = {"wrong": 401, "other": 403, "none": 401, "bare": 401}

    def value(self, site, kind):
        value = secrets.token_hex(8)
        if kind != "wrong":
            allowed = {"sub": "7", "lifetime": site.case.life(site), "channels": [site.channel if kind == "good" else "another"]}
            site.front.sessions[value] = (200, allowed)
        return value


class Bearer:
    """A token that the page itself holds, and sends with `fetch`."""

    name, refused = "bearer", {}

    def enter(self, site, to, kind):
        return [], {"token": token_of(site, kind)}

    def shown_by(self, passed):
        return passed.headers.get("Authorization", "").startswith("Bearer ")


WAYS = {way.name: way for way in (Cookie(), Session(), Bearer())}
