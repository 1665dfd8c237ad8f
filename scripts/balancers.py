"""HAProxy and nginx as they are started for check-balancers.py: with the files of deploy/ and the recipes of docs/tls.md, and what comments
in those files say may be otherwise. Apart from that, only places differ from what stands there: addresses, ports, paths."""

import pathlib
import re
import sys
from typing import Callable, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients"))
from harness import ports  # noqa: E402
from harness.documents import sample  # noqa: E402

# Two loopback addresses: the nodes have the same ports, as they have in containers.
HOSTS = ["127.0.0.2", "127.0.0.3"]
PASSES_BYTES_ON = "Behind a balancer that passes bytes on"
TERMINATES_TLS = "Behind a proxy that terminates TLS"


def placed(text, places):
    """The text with what each place is in this run. Every place has to be named there."""
    for there, here in places.items():
        assert there in text, f"nothing there says {there!r}"
        text = text.replace(there, str(here))
    return text


def deployed(name):
    return (ROOT / "deploy" / name).read_text()


# What nodes are configured with, beside what is the same for all.


def plain(fleet, host, more=""):
    return f'[server]\nlisten = "{host}:{fleet.port}"\ntrusted_proxies = ["127.0.0.1"]\n{more}[admin]\nlisten = "{host}:{fleet.admin}"\n'


def with_proxy_protocol(fleet, host):
    return plain(fleet, host, 'proxy_protocol = "on"\n')


def with_tls(fleet, host):
    """As deploy/docker-compose.tls.yml has it."""
    certificate, key = fleet.authority.chain, fleet.authority.key
    return plain(fleet, host, f'proxy_protocol = "on"\ncertificate = "{certificate}"\nkey = "{key}"\n')


def with_tls_by_the_document(fleet, host):
    return placed(sample("tls.md", PASSES_BYTES_ON, "toml"), {
        "0.0.0.0:8443": f"{host}:{fleet.port}", "10.0.0.11:9090": f"{host}:{fleet.admin}", "10.0.0.5": "127.0.0.1",
        "/etc/fanfare/tls/tls.crt": fleet.authority.chain, "/etc/fanfare/tls/tls.key": fleet.authority.key,
    })


def with_socket(fleet, host):
    """And a port beside it. (nginx's workers are another user's.)"""
    socket = f'[[server.listen]]\naddress = "unix:{fleet.socket(host)}"\ntrusted = true\nmode = "0666"\n'
    return f'{socket}[[server.listen]]\naddress = "{host}:{fleet.port}"\n[admin]\nlisten = "{host}:{fleet.admin}"\n'


# What the balancers are configured with.


def servers(fleet):
    return "".join(f"    server node{i} {host}:{fleet.port}\n" for i, host in enumerate(HOSTS))


def servers_over_h2c(fleet):
    return placed(sample("tls.md", TERMINATES_TLS, "text"), {f"10.0.0.1{i}:8080": f"{host}:{fleet.port}" for i, host in enumerate(HOSTS, 1)})


def run_haproxy(fleet, text):
    path = fleet.scratch / "haproxy.cfg"
    path.write_text(text)
    return fleet.processes.start("haproxy", ["haproxy", "-f", str(path)])


def haproxy(fleet, frontend, change=lambda text: text, servers=servers):
    text, count = re.subn(r"^    server-template .*\n", servers(fleet), deployed("haproxy/haproxy.cfg"), flags=re.M)
    assert count == 2, "both backends have a server-template"
    (fleet.scratch / "later.http").write_text(deployed("haproxy/later.http"))
    return run_haproxy(fleet, placed(change(text), {
        "bind :8080": f"bind 127.0.0.1:{frontend.port}", "bind :8404": f"bind 127.0.0.1:{ports.take()}", "check port 9090": f"check port {fleet.admin}",
    }))


def haproxy_with_proxy_protocol(fleet, frontend):
    return haproxy(fleet, frontend, lambda text: placed(text, {"    option forwardfor\n": "", "default-server check": "default-server send-proxy-v2 check"}))


def haproxy_over_h2c(fleet, frontend):
    return haproxy(fleet, frontend, servers=servers_over_h2c)


def haproxy_tls(fleet, frontend):
    text, count = re.subn(r"^    server-template .*\n", servers(fleet), deployed("haproxy/tls.cfg"), flags=re.M)
    assert count == 1, "the backend has a server-template"
    return run_haproxy(fleet, placed(text, {
        "bind :8443": f"bind 127.0.0.1:{frontend.port}", "bind :8080": f"bind 127.0.0.1:{frontend.plain}",
        "bind :8404": f"bind 127.0.0.1:{ports.take()}", "check port 9090": f"check port {fleet.admin}",
    }))


def haproxy_tls_by_the_document(fleet, frontend):
    return run_haproxy(fleet, placed(sample("tls.md", PASSES_BYTES_ON, "text"), {
        "bind :443": f"bind 127.0.0.1:{frontend.port}", "check port 9090": f"check port {fleet.admin}",
        **{f"10.0.0.1{i}:8443": f"{host}:{fleet.port}" for i, host in enumerate(HOSTS, 1)},
    }))


def nginx(fleet, frontend, address=lambda fleet, host: f"{host}:{fleet.port}", change=lambda text: text):
    text = placed(change(deployed("nginx/nginx.conf")), {"listen 8080": f"listen 127.0.0.1:{frontend.port}"})
    (fleet.scratch / "nginx.conf").write_text(text)
    nodes = {f"{name}:8080": address(fleet, host) for name, host in zip(["node-a", "node-b"], HOSTS)}
    (fleet.scratch / "nodes.conf").write_text(placed(deployed("nginx/nodes.conf"), nodes))
    directives = f"daemon off; pid {fleet.scratch}/nginx.pid; error_log stderr;"
    return fleet.processes.start("nginx", ["nginx", "-p", str(fleet.scratch), "-c", str(fleet.scratch / "nginx.conf"), "-g", directives])


def nginx_over_sockets(fleet, frontend):
    return nginx(fleet, frontend, lambda fleet, host: f"unix:{fleet.socket(host)}")


def nginx_over_h2c(fleet, frontend):
    def change(text):
        recipe = sample("tls.md", TERMINATES_TLS, "nginx")
        text, count = re.subn(r"^ {8}location = /events \{.*?^ {8}\}\n", lambda _: recipe, text, flags=re.M | re.S)
        assert count == 1, "nginx.conf has a location for subscriptions"
        return text

    return nginx(fleet, frontend, change=change)


class Variant(NamedTuple):
    """`start`: runs the balancer. `nodes`: the configuration file of a node. `refusal`: its `admission.refusal`. `passes_bytes_on`: TLS is the
    nodes'. `is_h2c` and `shares_connections`: how the balancer speaks to them. `redirects`: it has a port for those who come without TLS."""

    start: Callable
    nodes: Callable = plain
    refusal: str = "polite"
    passes_bytes_on: bool = False
    redirects: bool = False
    is_h2c: bool = False
    shares_connections: bool = False


VARIANTS = {
    "haproxy": Variant(haproxy),
    "haproxy-proxy-protocol": Variant(haproxy_with_proxy_protocol, with_proxy_protocol),
    "haproxy-h2c": Variant(haproxy_over_h2c, is_h2c=True, shares_connections=True),
    "haproxy-tls": Variant(haproxy_tls, with_tls, passes_bytes_on=True, redirects=True),
    "haproxy-tls-document": Variant(haproxy_tls_by_the_document, with_tls_by_the_document, passes_bytes_on=True),
    "nginx": Variant(nginx, refusal="status"),
    "nginx-sockets": Variant(nginx_over_sockets, with_socket, refusal="status"),
    "nginx-h2c": Variant(nginx_over_h2c, refusal="status", is_h2c=True),
}
