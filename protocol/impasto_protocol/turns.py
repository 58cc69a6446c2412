"""Whose job comes next, and who may have one more waiting: fairness between clients. Functions of names and sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .errors import Code, ImpastoError
from .limits import Limits


def order(waiting: Iterable[tuple[str, str]], last_turns: Mapping[str, int]) -> list[str]:
    """The jobs that wait (name and client, in the order in which they came), in the order in which they will start.

    Clients take turns, who had one longest ago first, and each one's jobs come in the order in which it handed them in.
    last_turns: by client the number of the last start that was for it; 0 where there was none.
    """
    keys, before = dict[str, tuple[int, int]](), Counter[str]()
    for name, client in waiting:
        keys[name] = (before[client], last_turns.get(client, 0))
        before[client] += 1
    return sorted(keys, key=keys.__getitem__)


def check_room(waiting: Sequence[tuple[str, int]], client: str, nbytes: int, limits: Limits) -> None:
    """Whether a client may have one more job of so many bytes waiting. waiting: client and bytes of each that does.

    A client may have as much waiting as is left to the others: whoever fills the queue leaves them half of it (dynamic
    queue limits with a factor of one, Choudhury & Hahne 1998). Raises ImpastoError(QUEUE_FULL).
    """
    own = [size for owner, size in waiting if owner == client]
    left = limits.queue - len(waiting)
    bytes_left = limits.queue_bytes - sum(size for _, size in waiting)
    if len(own) >= left or (waiting and sum(own) + nbytes > bytes_left):
        yours = f", {len(own)} of them yours" if own else ""
        sentence = f"{len(waiting)} jobs wait already{yours}, and no more may. Try again when some are done."
        raise ImpastoError(Code.QUEUE_FULL, sentence, waiting=len(waiting))
