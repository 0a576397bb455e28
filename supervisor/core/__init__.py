"""The queue as a pure state machine: no clock, no files, no sockets; time is passed in, changes are handed out."""
