#!/usr/bin/env python3
"""Makes the pictures of the documents (docs/images), in Chromium and over real nodes, and says which of those that are there are stale.

A picture is stale when a file that its page is made of has changed since it was made, or when the page shows other words or figures now
than it did then. docs/images/screenshots.json has both; pixels are not compared, since fonts differ from machine to machine. Figures, times
and addresses on the pages are fixed (clients/pictures), so that a picture changes only where its page does.

Usage: screenshots.py FANFARE_BINARY [--write] [--png FOLDER] [screenshots | screenshots/NAME]…

  --write   makes them anew (`make screenshots`); needs cwebp
  --png     keeps them there, as PNG, too
"""

import argparse
import hashlib
import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import browser, looks, still  # noqa: E402
from harness.servers import Processes  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURES, IMAGES = ROOT / "clients" / "pictures", ROOT / "docs" / "images"
RECORD = IMAGES / "screenshots.json"
# Documents are read over slow connections, too, and a repository keeps every version.
BYTES_MAX = 60 * 1024
# How near the colours are to those of the page, the best first.
NEAR_LOSSLESS = (60, 40, 20, 0)
RENEW = "run `make screenshots`, look at the picture, and commit it"


def names():
    return sorted(path.stem.replace("_", "-") for path in PICTURES.glob("[a-z]*.py"))


class Picture:
    def __init__(self, name):
        self.name = name
        module = name.replace("-", "_")
        self.how = importlib.import_module(f"pictures.{module}")
        own = PICTURES / f"{module}.py"
        sources = {**self.how.SOURCES, str(own.relative_to(ROOT)): own.read_text()}
        self.sources = {source: hashlib.sha256(text.encode()).hexdigest() for source, text in sources.items()}

    def images(self):
        """The file of each colour scheme."""
        return {scheme: IMAGES / f"{self.name}{'' if scheme == 'light' else f'-{scheme}'}.webp" for scheme in self.how.SCHEMES}

    def made(self):
        """What is recorded of those that are there; `None`: nothing."""
        return json.loads(RECORD.read_text()).get(self.name) if RECORD.exists() else None


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def faults_of_files(picture, documents):
    """What is wrong with a picture, without a look at its page."""
    made = picture.made()
    if made is None:
        yield f"there is no picture: {RENEW}"
        return
    for source in sorted(set(picture.sources) | set(made["sources"])):
        if picture.sources.get(source) != made["sources"].get(source):
            yield f"{source} has changed since the picture was made: {RENEW}"
    if set(made["images"]) != {image.name for image in picture.images().values()}:
        yield f"docs/images/screenshots.json names {', '.join(made['images'])}: {RENEW}"
    for name, wanted in made["images"].items():
        path = IMAGES / name
        if digest(path) != wanted:
            yield f"docs/images/{name} is not what was made: {RENEW}"
        elif path.stat().st_size > BYTES_MAX:
            yield f"docs/images/{name} has {path.stat().st_size} bytes, and may have {BYTES_MAX}"
        if f"images/{name}" not in documents:
            yield f"docs/images/{name} is in no document"


def faults_of_page(picture, page):
    """What the page shows and the picture does not, or the other way round."""
    made, now = (picture.made() or {}).get("shows", []), still.shown(page)
    if made != now:
        place = next((at for at, pair in enumerate(zip(made, now)) if pair[0] != pair[1]), min(len(made), len(now)))
        there, here = made[place:place + 3], now[place:place + 3]
        yield f"the page shows {here} where the picture has {there}: {RENEW}"


def compress(png, path):
    """As WebP, with no more loss than its size asks for. Texts and lines become smaller by fewer colours than by what photographs bear."""
    for quality in NEAR_LOSSLESS:
        options = ["-quiet", "-near_lossless", str(quality), "-z", "9", "-metadata", "none"]
        subprocess.run(["cwebp", *options, png, "-o", str(path)], check=True)
        if path.stat().st_size <= BYTES_MAX:
            return


def write(picture, page):
    """Makes the images anew, and records what they are made of."""
    for scheme, path in picture.images().items():
        with tempfile.NamedTemporaryFile(suffix=".png") as png:
            png.write(still.picture(page, picture.how.WIDTH, scheme))
            png.flush()
            compress(png.name, path)
    page.size(picture.how.WIDTH)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    images = {path.name: digest(path) for path in picture.images().values()}
    record[picture.name] = {"sources": picture.sources, "images": images, "shows": still.shown(page)}
    RECORD.write_text(json.dumps({name: record[name] for name in sorted(record) if name in names()}, indent=1, ensure_ascii=False) + "\n")


def attempt(picture, stage, given, documents):
    """What is wrong, in words."""
    faults = []
    try:
        page = picture.how.show(stage)
        page.size(picture.how.WIDTH)
        if given.write:
            write(picture, page)
        for scheme in picture.how.SCHEMES if given.png else ():
            path = pathlib.Path(given.png) / f"{picture.name}-{scheme}.png"
            path.write_bytes(still.picture(page, picture.how.WIDTH, scheme))
        faults += faults_of_page(picture, page)
        looks.check(page, picture.name)
        faults += [f"an error in the page: {error}" for error in page.errors]
        page.close()
    except Exception as error:  # noqa: BLE001
        faults.append(f"{type(error).__name__}: {error}")
    return [*faults_of_files(picture, documents), *faults]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("pictures", nargs="*")
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--png", metavar="FOLDER")
    given = arguments.parse_intermixed_args()
    chosen = [word.removeprefix("screenshots/") for word in given.pictures if word != "screenshots"]
    if unknown := set(chosen).difference(names()):
        arguments.error(f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    if given.write and not shutil.which("cwebp"):
        arguments.error("cwebp is missing: scripts/setup.sh cwebp")
    pictures = [Picture(name) for name in chosen or names()]
    documents = "\n".join(path.read_text() for folder in (ROOT, ROOT / "docs", ROOT / "examples") for path in folder.glob("*.md"))
    documents += "\n".join(path.read_text() for path in (ROOT / "examples").glob("*/*.md"))
    began, found = time.monotonic(), {}
    if browser.program("chromium"):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            processes = Processes(scratch)
            try:
                stage = still.Stage(processes, os.path.abspath(given.binary))
                # One after the other: only the page in front gets frames.
                found = {picture.name: attempt(picture, stage, given, documents) for picture in pictures}
                stage.close()
            finally:
                processes.end_all()
    else:
        print("SKIPPED the pages of the screenshots: Chromium is missing")
        found = {picture.name: list(faults_of_files(picture, documents)) for picture in pictures}
    for name, faults in found.items():
        print(f"screenshots/{name}: {'FAULT ' + '; '.join(faults) if faults else 'ok'}")
    count = sum(map(len, found.values()))
    print(f"screenshots: {len(found)} pictures, {count} faults, {time.monotonic() - began:.0f} s")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
