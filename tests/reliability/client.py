"""`python -m tests.reliability.client ENDPOINT JOB STEPS DETACH ACKNOWLEDGE`: one client with one job, to be killed or
stopped.

Prints that it begins, and the digest of the picture that it got, or the code of the error; only then, and if it is to,
does it acknowledge.
"""

from __future__ import annotations

import sys

from impasto_protocol.errors import ImpastoError
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import request

DELAY = 0.005
"""Seconds that a step of the fake painter takes."""


def main(endpoint: str, job: str, steps: str, detach: str, acknowledge: str) -> None:
    print("begins", flush=True)
    try:
        with Client(endpoint, agent="chaos") as client:
            asked = request(steps=int(steps), delay=DELAY)
            result = client.stylize(asked, job=job, preview=4, detach=detach == "yes")
            print("result", result.pictures[0].sha256(), flush=True)
            if acknowledge == "yes":
                client.acknowledge(job)
    except ImpastoError as error:
        print("error", error.code.value, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
