"""Certificates for tests: a root that clients are told to believe, an authority below it, and the certificate of a node.

The node's file holds two certificates, its own and that of the authority between: a client has to put the chain together, as it
has to with any public authority. The node's is for `localhost` and 127.0.0.1.
Unless somebody wants less, they are good for 90 days, as those of public authorities are: what looks at certificates complains of less than 60.
"""

import base64
import hashlib
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
SERVER = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
    "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)


class Authority:
    """`root`: what clients believe. `chain` and `key`: what a node is given. `pin`: the node's key, as Chromium is told of it."""

    def __init__(self, scratch):
        self.folder = scratch / "authority"
        self.folder.mkdir()
        self.root, self.chain, self.key = (self.folder / name for name in ("root.pem", "chain.pem", "node.key"))
        self.sign("root", "Fanfare test root", AUTHORITY, None)
        self.sign("between", "Fanfare test authority", AUTHORITY + "authorityKeyIdentifier=keyid\n", "root")
        self.sign("node", "localhost", SERVER, "between")
        self.chain.write_text((self.folder / "node.pem").read_text() + (self.folder / "between.pem").read_text())
        self.pin = self.pin_of_node()

    def sign(self, name, subject, extensions, issuer, days=90):
        """Makes a key and its certificate; without an issuer the certificate signs itself."""
        (self.folder / f"{name}.cnf").write_text(extensions)
        self.openssl("req", "-new", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"] if issuer else ["-signkey", f"{name}.key"]
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", str(days), "-extfile", f"{name}.cnf", *by)

    def pin_of_node(self):
        """The SHA-256 of its public key in base64 (RFC 7469 section 2.4)."""
        public = self.openssl("pkey", "-in", "node.key", "-pubout", "-outform", "DER")
        return base64.b64encode(hashlib.sha256(public).digest()).decode()

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}"
        return done.stdout

    def options(self):
        """The settings of a node that shows this certificate."""
        return [f"server.certificate={self.chain}", f"server.key={self.key}"]
