"""The parts of check-samples.py: what runs samples of each kind, and what they need."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "clients"))

# The first bytes of a stream: its head and `retry:`.
STREAM_SECONDS, COMMAND_SECONDS, SCENARIO_SECONDS = 10, 60, 180


class Missing(Exception):
    """What a sample needs and this machine has not."""
