"""Tools that break a running supervisor, and look whether it kept its promises: ``scripts/chaos``."""
