"""The journal: accepted work and what became of it, in SQLite, written by the broker alone."""
