"""How each kind of client is told to believe an authority, and to offer HTTP/2 where it does so only when asked."""

import shutil
import ssl
import subprocess

# Java has a file of its own kind; the password protects nothing.
PASSWORD = "changeit"


def environment(authority, transport):
    """The environment of a client that is a program."""
    names = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
    told = dict.fromkeys(names, str(authority.root))
    if shutil.which("keytool"):
        store = java_store(authority)
        told["JAVA_TOOL_OPTIONS"] = f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword={PASSWORD}"
    if transport == "h2":
        told["CLIENT_HTTP2"] = "yes"
    return told


def java_store(authority):
    store = authority.folder / "trust.p12"
    if not store.exists():
        command = ["keytool", "-importcert", "-noprompt", "-keystore", store, "-storepass", PASSWORD, "-file", authority.root]
        done = subprocess.run(command, capture_output=True)
        assert done.returncode == 0, f"keytool: {done.stdout.decode(errors='replace')}"
    return store


def context(authority):
    """For clients in this process; none without an authority."""
    return ssl.create_default_context(cafile=str(authority.root)) if authority else None
