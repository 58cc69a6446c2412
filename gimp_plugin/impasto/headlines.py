"""What kind of error it is, in the artist's language, ahead of the daemon's own sentence, which is English.

The plug-in's own sentences are in the artist's language already: the codes that it gives them have no headline here.
"""

from __future__ import annotations

from impasto_protocol.errors import Code, ImpastoError
from language import _, is_english

HEADLINES = {
    Code.VERSION_MISMATCH: _("Impasto's daemon and the plug-in are of different versions."),
    Code.MALFORMED: _("Impasto's daemon and the plug-in do not understand each other."),
    Code.UNKNOWN_TYPE: _("Impasto's daemon and the plug-in do not understand each other."),
    Code.NO_SESSION: _("Impasto's daemon has lost its conversation with the plug-in. Try again."),
    Code.UNKNOWN_SETTING: _("Impasto's daemon does not know a setting of this painting."),
    Code.CONFLICT: _("Impasto's daemon has another painting of this name already. Try again."),
    Code.NOT_FINISHED: _("The painting is not finished yet."),
    Code.ABANDONED: _("The painting was given up, for nobody seemed to wait for it any more. Try again."),
    Code.INTERNAL: _("Something unforeseen happened in Impasto."),
    Code.QUEUE_FULL: _("Too many paintings wait already."),
    Code.UNKNOWN_JOB: _("Impasto keeps nothing of this painting any more."),
    Code.RESULT_GONE: _("Impasto keeps nothing of this painting any more."),
    Code.UNKNOWN_RECIPE: _("Impasto's daemon does not know this recipe."),
    Code.MISSING_WEIGHTS: _("The network's weights are not there."),
    Code.MISSING_LAYER: _("The network's weights end before a layer that the recipe needs."),
    Code.BAD_WEIGHTS: _("The network's weights cannot be used."),
    Code.OUT_OF_MEMORY: _("There is not enough memory. Choose a smaller size at which to paint."),
    Code.DIVERGED: _("The painting left all bounds. Try another recipe, or less strength."),
    Code.WORKER_DIED: _("The process that paints has ended. Try again."),
    Code.SHUTTING_DOWN: _("Impasto's daemon is shutting down. Try again."),
    Code.DAEMON_LOST: _("Impasto's daemon is gone. Try again."),
    Code.TIMED_OUT: _("Impasto's daemon did not answer in time. Try again."),
    Code.NOT_PAIRED: _("This machine is not paired with Impasto's daemon."),
}
"""Of the errors whose sentence the daemon or its client says. Some codes are also the plug-in's own, and have none."""


def told(error: ImpastoError) -> str:
    """The error's sentence, below a headline where the artist's language is not the sentence's."""
    headline = "" if is_english else HEADLINES.get(error.code, "")
    return f"{headline}\n{error}" if headline else str(error)
