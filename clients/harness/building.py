"""Programs of other people's languages: whether a toolchain is here, and a copy that is built once for the same files."""

import hashlib
import os
import shutil
import subprocess

from .servers import PATH

BUILD_SECONDS, RUN_SECONDS = 540, 60
ENV = {**os.environ, "PATH": PATH + ":/usr/local/go/bin", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false",
       "CARGO_TARGET_DIR": "target", "DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1"}


def shell(command, folder, seconds=RUN_SECONDS, env=ENV, words=()):
    """What it says; raises with the last of its words if it fails."""
    done = subprocess.run(["bash", "-c", f'{command} "$@"' if words else command, "-", *words], cwd=folder, env=env, timeout=seconds,
                          capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{command}: exit code {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
    return done.stdout


def are_here(commands, folder):
    """Whether all of them succeed."""
    try:
        for command in commands:
            shell(command, folder)
    except AssertionError:
        return False
    return True


def build(source, built, commands):
    """Runs the commands in a copy, unless the same ones were run there for the same files before."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    text = repr(commands).encode() + b"".join(path.read_bytes() for path in files)
    mark, wanted = built / ".mark", hashlib.sha256(text).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return
    try:
        build_anew(source, built, commands)
    except (AssertionError, subprocess.TimeoutExpired):
        # A registry that did not answer may do so the second time.
        build_anew(source, built, commands)
    mark.write_text(wanted)


def build_anew(source, built, commands):
    shutil.rmtree(built, ignore_errors=True)
    shutil.copytree(source, built)
    for command in commands:
        shell(command, built, BUILD_SECONDS)
