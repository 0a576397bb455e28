"""The Linux primitives that the processes stand on: prctl, pidfd, /proc, locks, autogroup, affinity."""
