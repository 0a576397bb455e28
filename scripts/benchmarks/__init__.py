"""Our figures beside those of what else there is to pick: ``scripts/bench``."""
