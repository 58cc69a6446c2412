"""What a client must hold to talk to a daemon over the network, and the one line of text that carries it there.

A pairing is data: where the daemon listens, its public key, and a key pair that is this client's alone. It is made on
the daemon's machine and handed to the client's as a code, which holds a secret. Where it is kept is `key_files`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from .endpoint import tcp_address
from .errors import Code, ImpastoError

KEY_BYTES = 32
"""Bytes of a CURVE key, public or secret."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A client's name, for people: 1 to 64 of these characters."""

_CODE = re.compile(rf"impasto:({NAME.pattern})@([^/\s]+)/([\w-]{{43}})/([\w-]{{43}})/([\w-]{{8}})")


@dataclass(frozen=True)
class Pairing:
    """name: the client's, as the daemon's owner knows it. endpoint: tcp://HOST:PORT. server: the daemon's public key.
    secret: the client's secret key, from which its public one follows. Keys of 32 bytes; `secret` is not shown."""

    name: str
    endpoint: str
    server: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Pairing({self.name!r}, {self.endpoint!r})"

    @property
    def code(self) -> str:
        """One line without spaces or anything that a shell would touch. Whoever reads it can be this client."""
        place = self.endpoint.removeprefix("tcp://")
        body = f"impasto:{self.name}@{place}/{_text(self.server)}/{_text(self.secret)}"
        return f"{body}/{_check(body)}"

    @classmethod
    def of_code(cls, code: str) -> Pairing:
        """The pairing that a code carries. Raises ImpastoError(BAD_REQUEST), which does not repeat the code."""
        match = _CODE.fullmatch(code.strip())
        if not match or _check(code.strip().rpartition("/")[0]) != match[5]:
            raise ImpastoError(
                Code.BAD_REQUEST,
                "This is no pairing code, or a part of it is missing: give the whole line that `impasto pair` printed "
                "on the machine with the daemon.",
            )
        endpoint = f"tcp://{match[2]}"
        tcp_address(endpoint)
        return cls(match[1], endpoint, _bytes(match[3]), _bytes(match[4]))


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=")
    except binascii.Error as error:  # 43 characters of the alphabet are always 32 bytes
        raise AssertionError(text) from error


def _check(body: str) -> str:
    """Eight characters that a slip of the hand does not leave right."""
    return _text(hashlib.sha256(body.encode()).digest()[:6])
