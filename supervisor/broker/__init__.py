"""The broker: the process that owns the queue. One thread, one selector loop, one commit a turn."""
