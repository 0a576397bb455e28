"""gunicorn-supervisor at ``off``."""

from __future__ import annotations

from scripts.benchmarks.peers.ours import Ours

PEER = Ours("off")
