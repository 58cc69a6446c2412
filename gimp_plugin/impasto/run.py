"""The filter: from the selected layers and its arguments to new layers above them, or a sentence that says why not."""

from __future__ import annotations

from typing import Any

import batch
import call
import colours
import finished
import last_values
import order
import pixels
import record
import styles
from impasto_protocol.messages import Result
from job import Watcher
from subject import Subject


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """One call of the procedure, in any run mode: its return values."""

    def work() -> list[str]:
        if len(drawables) > 1:
            return batch.of_selected(procedure, run_mode, image, drawables, config)
        source = pixels.only_layer(image, drawables, order.LIMITS)
        subject = Subject(
            source=lambda: source,
            chosen=lambda: styles.chosen(config, image, order.LIMITS),
            outlines=lambda chosen: [(1, order.outline(source, chosen, config))],
        )
        last_values.ask(procedure, run_mode, config, subject)
        pixels.only_layer(image, drawables, order.LIMITS)  # an artist may have changed, or closed, the image meanwhile
        return paint(procedure.get_plug_in(), image, source, config, call.watcher(run_mode, source, config))

    return call.answered(procedure, run_mode, image, work)


def paint(plug_in: Any, image: Any, source: Any, config: Any, watcher: Watcher) -> list[str]:
    """Read, ask the daemon, insert; what the artist should know about how it was painted. Raises ImpastoError."""
    chosen = record.copied(styles.chosen(config, image, order.LIMITS))
    request, used = order.requested(source, chosen, config), list(chosen.values())
    about = record.about(record.origin(source), used)
    keep = config.get_property(colours.ARGUMENT)

    def place(result: Result) -> None:
        order.insert(image, source, about, result, request.content if keep and colours.are_in(image) else None)

    asked = finished.Order(request, used, about, source.get_name(), image.get_name(), place)
    return [*finished.placed(plug_in, asked, watcher), *(colours.note(image) if keep else [])]
