"""The master: starts and restarts broker, template and workers, and kills what is past its deadline.

Tiny and single-threaded; it runs no user code and holds no SQLite handle. Its loop is five verbs: wait, handle
signals, reap, enforce deadlines, fill the pool.
"""
