"""Which steps stay: judged by cross-validation, on images that had no part in choosing them."""

from typing import NamedTuple, Protocol

import numpy as np

from segtrain.reports.paired import PairedGain, paired_gain
from segtrain.run.tuning.trials import Steps, Trial, best

__all__ = ["Choice", "choose"]


class Judge(Protocol):
    """Scores post-processings, see `Trials`."""

    known: list[Trial]

    def run(self, steps: Steps, fold: int | None) -> Trial: ...

    def on(self, steps: Steps, images: np.ndarray) -> np.ndarray | None: ...


class Choice(NamedTuple):
    """The post-processing that was chosen."""

    trial: Trial
    gain: PairedGain
    """Of the way it was chosen, over the raw prediction, in cross-validation: on images that it was not chosen by."""
    helps: dict[str, PairedGain]
    """What each of its steps adds to the others, in cross-validation."""
    dropped: dict[str, PairedGain]
    """The same of each step that was chosen at first, and then found to add nothing; in the order of their going."""


def choose(judge: Judge, folds: np.ndarray, groups: np.ndarray, sure: bool = True) -> Choice:
    """Choose the best trial, then drop what does not help.

    For each fold the best trial by the other folds' images is scored on the fold's, with and without each of its
    steps. The mean difference is what the step adds. While one of the chosen steps adds nothing, or all of them
    together gain nothing, the one that adds least is dropped, and it is chosen again among the trials without it.
    Few images bear lucky means: one that lost a speck can pay for a step that harms others. So a step has to be sure.

    Args:
        judge: knows the trials, of which the first is the raw prediction, and adds those that leave a step out.
        folds: (N,) int, the part that each image is in.
        groups: (N,) int, which images belong together; negative = none.
        sure: whether to add something means that the whole interval is above 0, or else the mean.
    """

    def worth(gain: PairedGain) -> float:
        return gain.low if sure else gain.value

    raw = judge.known[0]
    dropped: dict[str, PairedGain] = {}
    while True:
        fit = [trial for trial in judge.known if not trial.steps.keys() & dropped.keys()]
        chosen = best(fit, np.ones(len(folds), bool))
        winners = {
            fold: best([trial for trial in fit if trial.fold in (None, fold)], folds != fold)
            for fold in range(folds.max() + 1)
        }
        helps = {name: paired_gain(_added(name, winners, folds, judge), groups) for name in chosen.steps}
        held_out = np.select([folds == fold for fold in winners], [trial.scores for trial in winners.values()])
        gain = paired_gain(held_out - raw.scores, groups)
        least = min(helps, key=lambda name: worth(helps[name]), default=None)
        if least is None or (worth(helps[least]) > 0 and worth(gain) > 0):
            return Choice(chosen, gain, helps, dropped)
        dropped[least] = helps[least]
        for fold, winner in winners.items():
            if least in winner.steps:
                judge.run(_without(least, winner.steps), fold)


def _without(name: str, steps: Steps) -> Steps:
    return {other: given for other, given in steps.items() if other != name}


def _added(name: str, winners: dict[int, Trial], folds: np.ndarray, judge: Judge) -> np.ndarray:
    """Give what a step adds on each image (N,): the fold's winner less the same without the step; 0 if it has none."""
    added = np.zeros(len(folds))
    for fold, winner in winners.items():
        if name in winner.steps:
            mine = folds == fold
            without = judge.on(_without(name, winner.steps), mine)
            if without is not None:
                added[mine] = winner.scores[mine] - without
    return added
