"""Samples of the k6 scenarios: `make loadtest` as the document writes it, in small, with nodes and a Redis of this run in place of those that it names."""

import os
import pathlib
import re
import time

from . import ROOT, SCENARIO_SECONDS, Missing

KEY = "a-publish-key-of-this-run"
# Figures of a shared machine say nothing. Where a sample names no scenario, two of them run: the end-to-end tests run all five.
SMALL = {"SCENARIO": "steady resume", "SUBSCRIBERS": "10", "DURATION": "1", "LEAD": "1", "AWAY": "0.3", "LATENCY_P95_MS": "20000", "LATENCY_P99_MS": "20000"}
# Until the parts of one run begin together: enough for k6 to start on a busy machine.
SOON_SECONDS = 10
# The user that publishes to Redis has the rights that this document gives it, in the command for a shell.
RIGHTS = ROOT / "docs/redis.md"
SETUSER = re.compile(r"^redis-cli (ACL SETUSER publisher (?:.*\\\n)*.+)$", re.MULTILINE)


class Run:
    """One command on its way. `name`: of its report and its output."""

    def __init__(self, world, name, script, settings):
        self.world, self.script, self.output = world, script, world.scratch / f"{name}.out"
        # k6 is there or is missed: nothing is built.
        env = {**SMALL, "FANFARE_BIN": world.binary, "OUT": str(world.scratch / name), "GO": "/nonexistent/go",
               "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")), **settings}
        with open(self.output, "w") as output:
            self.process = world.processes.start(name, ["bash", "-euo", "pipefail", "-c", script], stdout=output, cwd=world.clone, env=env)

    def finish(self):
        try:
            status = self.process.wait(SCENARIO_SECONDS)
        finally:
            self.world.processes.end(self.process)
        said, complaints = self.output.read_text(), pathlib.Path(self.process.log).read_text()
        if "there is no Go" in complaints:
            raise Missing("k6 has to be built: loadtest/build.sh")
        assert status == 0 and re.search(r"^[1-9]\d* passed, 0 failed$", said, re.MULTILINE), f"{self.script}\n{(said + complaints)[-3000:]}"


class LoadTests:
    """The commands of one block, side by side: they mostly wait, and those with a `ROLE` are parts of one run, each on a machine of its own."""

    def __init__(self, world):
        self.world, self.runs, self.start = world, [], f"@{int(time.time()) + SOON_SECONDS}"
        self.nodes = [world.node(f"loadtest-{number}", env={"FANFARE__PUBLISH__KEY": KEY}) for number in (1, 2)]
        words = SETUSER.search(RIGHTS.read_text())[1].replace("\\\n", " ").replace("'", "").split()
        world.redis.command(*words)

    def local(self, text):
        first, second = (f"127.0.0.1:{node.port}" for node in self.nodes)
        for there, here in ((r"https://events\.example\.org", f"http://{first}"), (r"10\.0\.0\.11:8080", first), (r"10\.0\.0\.12:8080", second),
                            (r"10\.0\.0\.5:6379", f"127.0.0.1:{self.world.redis.port}"), (r"(PUBLISH_KEY=)\.\.\.", rf"\g<1>{KEY}"),
                            (r"(SUBSCRIBERS=)\d+", rf"\g<1>{SMALL['SUBSCRIBERS']}"), ("14:30 UTC", self.start)):
            text = re.sub(there, here, text)
        strange = re.search(r"\b(?!127\.0\.0\.1)(?:\d+\.){3}\d+|example\.\w+|=\.\.\.", text)
        assert not strange, f"nothing here stands for {strange[0]}"
        return text

    def begin(self, command, exported):
        """`exported`: the lines `export …` of the block."""
        self.runs.append(Run(self.world, f"loadtest-run-{len(self.runs)}", self.local("\n".join([*exported, command])), {}))

    def finish(self):
        for run in self.runs:
            run.finish()

    def end(self):
        for process in (*(run.process for run in self.runs), *(node.process for node in self.nodes)):
            self.world.processes.end(process)


def check_scenario(world, sample):
    """A scenario of one's own runs as its document says, with few subscribers, of whom each is cut once."""
    (world.clone / "loadtest/mine.js").write_text(sample.text)
    Run(world, "loadtest-mine", "SCENARIO=mine make loadtest", {"DURATION": "25"}).finish()
