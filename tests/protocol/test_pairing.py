"""A pairing travels as one line, and a line that is not whole is refused."""

from __future__ import annotations

import re

import pytest
from impasto_protocol.endpoint import tcp_address
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.pairing import Pairing

PAIRING = Pairing("studio-2", "tcp://gpubox.local:7766", bytes(range(32)), bytes(range(224, 256)))


@pytest.mark.parametrize("endpoint", ["tcp://gpubox.local:7766", "tcp://192.0.2.7:1", "tcp://[fe80::1]:65535"])
def test_a_pairing_survives_its_code(endpoint: str) -> None:
    pairing = Pairing("studio-2", endpoint, PAIRING.server, PAIRING.secret)
    assert Pairing.of_code(f"{pairing.code}\n") == pairing


def test_a_code_is_one_word_that_no_shell_touches() -> None:
    assert re.fullmatch(r"[A-Za-z0-9:@/._-]+", PAIRING.code)


def test_no_character_of_a_code_can_be_another_or_missing() -> None:
    code = PAIRING.code
    for place in range(len(code)):
        for wrong in (code[:place] + code[place + 1 :], code[:place] + "~" + code[place + 1 :], code[:place]):
            with pytest.raises(ImpastoError):
                Pairing.of_code(wrong)
        other = "b" if code[place] != "b" else "c"
        with pytest.raises(ImpastoError, match="no pairing code"):
            Pairing.of_code(code[:place] + other + code[place + 1 :])


def test_a_code_that_is_refused_is_not_repeated() -> None:
    secret = PAIRING.code.split("/")[2]
    with pytest.raises(ImpastoError, match="the whole line") as refusal:
        Pairing.of_code(PAIRING.code[:-1])
    assert refusal.value.code is Code.BAD_REQUEST
    assert secret not in str(refusal.value)


def test_a_secret_is_not_shown() -> None:
    assert repr(PAIRING) == "Pairing('studio-2', 'tcp://gpubox.local:7766')"


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [("tcp://gpu:7766", ("gpu", 7766)), ("tcp://0.0.0.0:0", ("0.0.0.0", 0)), ("tcp://[::]:1", ("[::]", 1))],
)
def test_an_address_on_the_network_is_a_host_and_a_port(endpoint: str, address: tuple[str, int]) -> None:
    assert tcp_address(endpoint) == address


@pytest.mark.parametrize(
    "endpoint",
    ["", "gpu:7766", "tcp://gpu", "tcp://gpu:", "tcp://gpu:99999", "tcp://*:7766", "tcp://../x:1", "tcp://a/b:1",
     "tcp://::1:5", "ipc:///run/d.sock", "tcp://gpu:1\n", "tcp://-:1"],
)  # fmt: skip
def test_whatever_else_is_refused_with_an_example(endpoint: str) -> None:
    with pytest.raises(ImpastoError, match="as tcp://gpubox:7766") as refusal:
        tcp_address(endpoint)
    assert refusal.value.code is Code.BAD_REQUEST
