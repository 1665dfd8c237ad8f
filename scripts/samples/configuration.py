"""A document's configuration as a node of this run has it: other addresses, and files that are made for the run."""

import re

from harness import ports
from harness.authority import SERVER, Authority

ADDRESS = re.compile(r'^(address|listen) = "(?:[\d.]+):(\d+)"', re.MULTILINE)
SOCKET = re.compile(r'"unix:(/[^"]+)"')
CERTIFICATE = re.compile(r'^(certificate|key|client_ca) = "(/[^"]*)"', re.MULTILINE)
# Where a command names them.
CERTIFICATE_WORD = re.compile(r"server\.(certificate|key)=(/etc/fanfare/tls/\S+)")
PUBLIC_KEY = re.compile(r'"/etc/fanfare/([\w-]+)\.pem"')
# Names of the hosts at which documents have their nodes.
HOSTS = ("events.example.com", "events.example.org", "live.example.org")
CLIENT = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n{}subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
# Less than docs/auth.md has as `max_lifetime`.
CLIENT_DAYS = 2
# Clients that documents let come with a certificate, and what theirs says of them.
CLIENTS = {"client": "", "billing": "subjectAltName=URI:spiffe://example.org/billing\n"}


class Certificates:
    """Those that documents name, signed by an authority of this run. They are made when they are first asked for."""

    def __init__(self, scratch):
        self.scratch, self.authority = scratch, None

    def made(self):
        if not self.authority:
            self.authority = Authority(self.scratch)
        return self.authority

    def path(self, kind, named):
        """The file of this run for a file of that kind in a document: `certificate`, `key` or `client_ca`."""
        if kind == "client_ca":
            return self.made().root
        name = named.rpartition("/")[2].rpartition(".")[0]
        file = self.made().folder / f"{name}.{'key' if kind == 'key' else 'chain'}"
        if not file.exists():
            hosts = [name] if "." in name else HOSTS
            names = ",".join(f"DNS:{host}" for host in hosts)
            self.authority.sign(name, hosts[0], SERVER.replace("DNS:localhost", names), "between")
            texts = [(self.authority.folder / f"{part}.pem").read_text() for part in (name, "between")]
            (self.authority.folder / f"{name}.chain").write_text("".join(texts))
        return file

    def stand_in(self, text):
        """A configuration with those files in place of the named ones."""
        return CERTIFICATE.sub(lambda found: f'{found[1]} = "{self.path(found[1], found[2])}"', text)

    def lay(self, folder):
        """What a client is told to believe, and the certificates of clients, as documents call them."""
        for name, facts in CLIENTS.items():
            if not (self.made().folder / f"{name}.pem").exists():
                self.authority.sign(name, name, CLIENT.format(facts), "root", CLIENT_DAYS)
            for source, end in ((f"{name}.pem", "crt"), (f"{name}.key", "key")):
                (folder / f"{name}.{end}").write_bytes((self.authority.folder / source).read_bytes())
        for name in ("ca.pem", "certificate.pem"):
            (folder / name).write_bytes(self.authority.root.read_bytes())


class Configuration:
    """`text`: what a node of this run is given. `listeners`: by the port of the document, the one of this run."""

    def __init__(self, text, certificates, folder, secret):
        self.listeners, self.sockets, self.keys = {}, {}, []
        text = ADDRESS.sub(self.address, SOCKET.sub(lambda found: f'"unix:{self.socket(found[1], folder)}"', text))
        text = PUBLIC_KEY.sub(lambda found: self.public_key(found[1], folder), certificates.stand_in(text))
        self.text = text.replace('"secret"', f'"{secret}"')

    def address(self, found):
        if found[2] not in self.listeners:
            self.listeners[found[2]] = ports.take()
        return f'{found[1]} = "127.0.0.1:{self.listeners[found[2]]}"'

    def socket(self, path, folder):
        self.sockets[path] = str(folder / path.rpartition("/")[2])
        return self.sockets[path]

    def public_key(self, name, folder):
        self.keys.append(name)
        return f'"{folder / name}.pem"'

    def local(self, command):
        """The same command for the places of this run. Clients check a certificate for the name that the document has."""
        command = re.sub(r"-connect [\w.]+:(\d+)", lambda found: f"-connect 127.0.0.1:{self.listeners[found[1]]}", command)
        for path, here in self.sockets.items():
            command = command.replace(path, here)
        if command.startswith("fanload "):
            here = lambda found: f"{found[1]}://127.0.0.1:{self.listeners[found[2] or '443']}"  # noqa: E731
            return re.sub(r"\b(https?)://[\w.-]+(?::(\d+))?", here, command)
        port = re.search(r"\bcurl .*https://[\w.]+(?::(\d+))?/", command)
        return command.replace("curl ", f"curl --connect-to ::127.0.0.1:{self.listeners[port[1] or '443']} ", 1) if port else command
