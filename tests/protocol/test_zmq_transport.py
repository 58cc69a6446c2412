"""The transport over ZeroMQ's library, where that library does not do by itself what a client needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from impasto_protocol import key_files, zmq_client, zmtp
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.pairing import Pairing
from impasto_protocol.transport import Broke
from impasto_protocol.zmq_client import Client
from impasto_protocol.zmq_transport import ZmqTransport

from .strangers import a_mail_server, listening


@pytest.mark.timeout(30)
def test_what_nobody_will_ever_take_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZeroMQ tries no more where another program listens, and would hold back whoever sends then for ever."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with a_mail_server() as endpoint:
        key_files.store_pairing(Pairing("test", endpoint, bytes(31) + b"\x09", bytes(range(32))))
        transport = ZmqTransport()
        transport.connect(endpoint, Limits())
        assert Broke() in transport.wait(10)
        transport.send([b"IMPASTO"])
        transport.close(0)


def test_who_greets_in_zeromq_and_goes_on_otherwise_is_no_daemon(
    socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zmq_client, "TRANSPORT", ZmqTransport)
    with listening(socket_folder / "x.sock", zmtp.GREETING + zmtp.command(b"HELLO", b"")) as endpoint:
        told = pytest.raises(ImpastoError, match="does not talk as a daemon does")
        with told as caught, Client(endpoint, timeout=10):
            pass
        assert caught.value.code is Code.MALFORMED
