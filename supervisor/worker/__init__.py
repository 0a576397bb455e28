"""The worker: runs one task at a time, in its main thread, in a process that can be killed."""
