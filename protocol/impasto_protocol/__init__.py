"""Impasto's contract: what a client and the daemon say to each other.

Standard library and msgpack alone; only `zmq_client` knows ZeroMQ. Nothing here knows torch, GIMP or files.
SPEC.md beside this package is the normative text; this package is its reference implementation.
"""

__version__ = "0.1.0"
