"""What each error code means and what to do about it: the one text behind `impasto doctor CODE` and the page.

`docs/make_codes.py` writes it into docs/troubleshooting.md, and a test holds the two equal. The sentence of an error
says what went wrong this time; here is what such errors have in common. Knows no machine: it looks at nothing.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace

from impasto_protocol.errors import RETRYABLE, Code, ImpastoError

PAGE = "docs/troubleshooting.md"


@dataclass(frozen=True)
class Explanation:
    """Of one code, in sentences of Markdown. meaning: what has happened. remedy: what to do or type."""

    meaning: str
    remedy: str


EXPLANATIONS: Mapping[Code, Explanation] = {
    Code.VERSION_MISMATCH: Explanation(
        "The daemon and the program that asks it are of different ages.",
        "Update the older one, restart the daemon, and give GIMP the new filter: `impasto install-plugin`.",
    ),
    Code.MALFORMED: Explanation(
        "What arrived is not Impasto's protocol: something else listens at the endpoint, or speaks to it.",
        "Check `IMPASTO_ENDPOINT` and `--endpoint`.",
    ),
    Code.UNKNOWN_TYPE: Explanation(
        "The program that asks is newer than the daemon, which does not know the request.", "Update the daemon."
    ),
    Code.NO_SESSION: Explanation(
        "The daemon does not know who asks: it was restarted meanwhile, or the client has a bug.", "Try again."
    ),
    Code.TOO_LARGE: Explanation(
        "A limit of the daemon or of the protocol is exceeded; the sentence says which, and how far it goes.",
        "A smaller picture, or fewer styles.",
    ),
    Code.BAD_REQUEST: Explanation(
        "A value is out of range, a file is no picture, a folder or key file is unusable, or a layer or image is gone.",
        "As the sentence says.",
    ),
    Code.UNKNOWN_RECIPE: Explanation(
        "No recipe has this name: a typing error, or a daemon that is older. The sentence names the nearest.",
        "`impasto recipes` lists them.",
    ),
    Code.UNKNOWN_SETTING: Explanation(
        "Recipes have no setting of this name. The sentence names the nearest.",
        "`impasto recipes NAME` lists a recipe's settings.",
    ),
    Code.CONFLICT: Explanation(
        "A name was used twice: of a job for two requests, of a client that is paired; or a daemon has the endpoint "
        "already.",
        "Another name, or the daemon that runs.",
    ),
    Code.QUEUE_FULL: Explanation(
        "Too many jobs wait, or too many of yours.",
        "Wait, or see what waits with `impasto status` and stop it with `impasto cancel JOB`.",
    ),
    Code.UNKNOWN_JOB: Explanation(
        "The daemon has no such job. It ended over an hour ago (with a result that nobody fetched: over a day), or it "
        "was not finished when the daemon was restarted. Or it is to be resumed, and what was kept of it made room for "
        "newer ones, or nothing was: it was cancelled, or the disk is full. Or its name is not whole, and the daemon "
        "does not list it.",
        "`impasto status` lists the jobs there are. Else paint again, without `--resume`.",
    ),
    Code.NOT_FINISHED: Explanation("The job waits or runs: there is nothing to fetch yet.", "Wait for its end."),
    Code.RESULT_GONE: Explanation("The picture was fetched, or others needed the room.", "Paint it again."),
    Code.CANCELLED: Explanation(
        "Somebody asked for it: Ctrl-C, GIMP's Cancel button, or `impasto cancel`.",
        "Nothing; hand the job in again if it was not meant.",
    ),
    Code.ABANDONED: Explanation(
        "GIMP or the command that asked for the picture ended, or was cut off for longer than ten seconds.",
        "Ask for the picture again.",
    ),
    Code.MISSING_WEIGHTS: Explanation(
        "The recipe needs a network whose weights are not on the daemon's machine, and allows no stand-in.",
        "`impasto weights fetch` there, or the recipe `impasto`, which makes do without.",
    ),
    Code.MISSING_LAYER: Explanation(
        "The weights file ends before a layer that the recipe needs.",
        "A file that has it (`impasto weights fetch`), or a recipe that stays within this one.",
    ),
    Code.BAD_WEIGHTS: Explanation(
        "The weights file is damaged, another network's, or something else altogether.",
        "`impasto weights fetch` replaces what it fetched; of `--weights` give another file.",
    ),
    Code.OUT_OF_MEMORY: Explanation(
        "The picture is too large for the memory that the device, or the machine, has free.",
        "A smaller `--max-size` (in GIMP: longest side), as the sentence proposes it; the result has the full size all "
        "the same. Or close other programs that use this memory.",
    ),
    Code.DIVERGED: Explanation(
        "The losses are no numbers from the start: a setting, or the weights, are out of proportion.",
        "The recipe's own settings and the weights that `impasto weights fetch` brings.",
    ),
    Code.WORKER_DIED: Explanation(
        "The process that paints ended or could not start: a crash of the driver or of torch, a device that has "
        "failed or hangs, or the system's out-of-memory killer. The daemon goes on, and the next job gets a fresh one.",
        "Try again, with a smaller `--max-size` if memory was short. The daemon's log has its last words; `impasto "
        "doctor` tries torch.",
    ),
    Code.SHUTTING_DOWN: Explanation(
        "The daemon was told to leave before the job was done.", "Try again when it is back."
    ),
    Code.INTERNAL: Explanation(
        "A bug of ours, or a daemon that is newer than this program and has an error that it does not know.",
        "Please report it, with what the daemon's log says; on the command line `impasto --debug` shows where.",
    ),
    Code.UNREACHABLE: Explanation(
        "No daemon answers, and none could be started.",
        "`impasto daemon` in a terminal shows why; `impasto service install` has systemd start it. A machine without "
        "torch uses another's: `impasto pair`.",
    ),
    Code.DAEMON_LOST: Explanation(
        "The daemon ended, hung or was restarted during the job, and has no result of it.",
        "Try again. The log is in `journalctl --user -u impasto`, or in the file that `impasto doctor` names.",
    ),
    Code.TIMED_OUT: Explanation(
        "The daemon is there and did not answer in time.", "`impasto status` says how it is; restart it."
    ),
    Code.NOT_PAIRED: Explanation(
        "The daemon on the network does not know this machine's key, or this machine has none for it; or what listens "
        "there has not the key that the daemon had.",
        "`impasto pair` on the machine with the daemon, then `impasto pair CODE` here; `impasto pair --list` there "
        "says who is let in.",
    ),
}
"""Of every code, in their order."""


def named(text: str) -> Code:
    """The code that somebody typed or copied, brackets and all. Raises ImpastoError(BAD_REQUEST) with the nearest."""
    name = text.strip().strip("[]").lower().replace("-", "_")
    names = [code.value for code in Code]
    if name in names:
        return Code(name)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = f"Did you mean “{near[0]}”? " if near else ""
    sentence = f"There is no error code “{name}”. {hint}The codes are: {', '.join(names)}."
    raise ImpastoError(Code.BAD_REQUEST, sentence, field="code", nearest=near[0] if near else "")


def explanation(code: Code) -> Explanation:
    """Of one code, with the word that it may be tried again where that is so."""
    found = EXPLANATIONS[code]
    again = " The very same request may succeed later." if code in RETRYABLE else ""
    return replace(found, meaning=f"{found.meaning}{again}")


def markdown() -> str:
    """All of it as the page has it: a heading for each code, which is its anchor."""
    parts = []
    for code, found in ((code, explanation(code)) for code in Code):
        paragraphs = (found.meaning, f"**What to do:** {found.remedy}")
        lines = (textwrap.fill(each, 118, break_on_hyphens=False) for each in paragraphs)
        parts.append("\n\n".join((f"### {code.value}", *lines)) + "\n")
    return "\n".join(parts)
