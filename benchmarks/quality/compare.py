"""The comparison itself: pairs × recipes to rows of a report, one painting after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from impasto_daemon.engine.features import VGG, Features
from PIL import Image
from torch import Tensor

from . import match, metrics, report, runs
from .adapt import Entry
from .judge import Judge, Scores
from .match import Tried
from .report import EQUAL, MATCHED, PUBLISHED, Report, Row
from .runs import Cost, Pair, Run

LIKENESSES = ("correlation", "ssim")
"""By what paintings may be brought to equal likeness to the content; the first needs a network."""


@dataclass(frozen=True)
class Plan:
    """What to do with each pair.

    entries: the recipes; the first is the one that gives the time and the likeness. seconds: processor time of each
    painting, 0 for what the first recipe takes for its published budget. published: also at everyone's own budget.
    likeness: bring all to the first one's, by this figure; empty for not. seeds: paintings whose variation is told.
    """

    entries: Sequence[Entry]
    seconds: float = 0.0
    published: bool = False
    likeness: str = ""
    seeds: int = 1


class Comparison:
    """Paints and judges into a folder; `say` gets a line for every painting."""

    def __init__(
        self, plan: Plan, networks: Mapping[str, VGG], folder: Path, found: Report, say: Callable[[str], None]
    ) -> None:
        self.plan, self.networks, self.folder, self.report, self.say = plan, networks, folder, found, say
        self._factors: dict[str, float] = {}

    def run(self, pair: Pair) -> None:
        """All recipes on one pair; the report on the disk is complete after each painting."""
        save(pair.content, self.folder / f"content-{pair.content_name}.png")
        save(pair.style, self.folder / f"style-{pair.style_name}.png", 512)
        judge = Judge(pair.content, pair.style, self.networks.get("vgg19"))
        seconds, wanted = self.plan.seconds, math.nan
        for entry in self.plan.entries:
            features = runs.features_of(entry.recipe, self.networks)
            assert features is not None, "entries are recipes that can be run"
            whole = self._published(pair, judge, entry, features, keep=self.plan.published or not seconds)
            if not seconds:
                assert whole is not None
                seconds = whole.seconds
            first, costs = self._equal(pair, judge, entry, features, seconds, whole)
            if not self.plan.likeness:
                continue
            if entry is self.plan.entries[0]:
                wanted = first.likeness
                self._matched(pair, entry, [first])
            else:
                self._search(pair, judge, entry, features, seconds, costs, first, wanted)

    def _published(self, pair: Pair, judge: Judge, entry: Entry, features: Features, keep: bool) -> Run | None:
        """At its own budget, where that is asked for or the time of it is wanted."""
        if not keep or not (self.plan.published or entry is self.plan.entries[0]):
            return None
        run = runs.published(pair, features, entry.recipe)
        if self.plan.published:
            self._add(pair, entry, PUBLISHED, run, judge(run.picture).described())
        return run

    def _equal(
        self, pair: Pair, judge: Judge, entry: Entry, features: Features, seconds: float, whole: Run | None
    ) -> tuple[Tried[tuple[Run, Scores]], list[Cost]]:
        """In so many seconds, at its own content weight."""
        own_time = whole is not None and whole.seconds == seconds
        costs = [] if own_time else runs.probe(pair, features, entry.recipe)
        run = whole if own_time and whole else runs.timed(pair, features, entry.recipe, seconds, costs)
        scores = judge(run.picture)
        others = [
            runs.published(pair, features, entry.recipe, seed)
            if own_time
            else runs.timed(pair, features, entry.recipe, seconds, costs, seed)
            for seed in range(1, self.plan.seeds)
        ]
        described = scores.described()
        if others:
            described["variation"] = metrics.variation([run.picture, *(other.picture for other in others)])
        self._add(pair, entry, EQUAL, run, described)
        return Tried(1.0, self._likeness(scores), (run, scores)), costs

    def _search(
        self,
        pair: Pair,
        judge: Judge,
        entry: Entry,
        features: Features,
        seconds: float,
        costs: list[Cost],
        first: Tried[tuple[Run, Scores]],
        wanted: float,
    ) -> None:
        """At the content weight where it is as like the content as the first recipe's painting."""

        def attempt(factor: float) -> Tried[tuple[Run, Scores]]:
            recipe = replace(entry.recipe, content_weight=entry.recipe.content_weight * factor)
            run = runs.timed(pair, features, recipe, seconds, costs)
            scores = judge(run.picture)
            self.say(f"    {entry.name} × {factor:.3g}: content {self._likeness(scores):.3f}")
            return Tried(factor, self._likeness(scores), (run, scores))

        guess = self._factors.get(entry.name, 1.0)
        tried = match.search(attempt, first, wanted, guess)
        self._factors[entry.name] = tried[0].factor
        self._matched(pair, entry, tried)

    def _matched(self, pair: Pair, entry: Entry, tried: Sequence[Tried[tuple[Run, Scores]]]) -> None:
        nearest = tried[0]
        run, scores = nearest.value
        curve = [(each.factor, each.likeness, _known(each.value[1].held_out)) for each in tried]
        self._add(pair, entry, MATCHED, run, scores.described(), nearest.factor, curve)

    def _likeness(self, scores: Scores) -> float:
        return float(getattr(scores, self.plan.likeness)) if self.plan.likeness else math.nan

    def _add(
        self,
        pair: Pair,
        entry: Entry,
        mode: str,
        run: Run,
        scores: report.Scores,
        factor: float = 1.0,
        curve: Sequence[Sequence[float | None]] = (),
    ) -> None:
        picture = f"{pair.name}-{entry.name}-{mode.replace(', ', '-').replace(' ', '-')}.png"
        save(run.picture, self.folder / picture)
        names, seconds = (pair.content_name, pair.style_name, entry.name, mode, picture), round(run.seconds, 2)
        row = Row(*names, seconds, run.evaluations, scores, factor, curve)
        self.report.rows.append(row)
        self.report.save(self.folder)
        figures = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
        self.say(f"  {pair.name}, {entry.name}, {mode}: {seconds:.1f} s, {figures}")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def save(picture: Tensor, path: Path, longest: int = 0) -> None:
    """A picture (1, 3, H, W), 0 to 1, as a file; its longest side at most so many pixels (0: as it is)."""
    samples = (picture[0, :3].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(samples)
    if longest:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    image.save(path)
