"""Impasto's daemon and command line.

`supervisor` owns the socket and never imports torch; `worker` is the process that owns the device; `engine` is pure
torch and knows nothing of jobs or sockets. docs/daemon.md tells how they work together.
"""
