"""What to try next: defaults, chance, then the tree-structured Parzen estimator (TPE), one for each part of the images.

A proposer that learns from scores has looked at the images they come from. So there is one for each fold, which is
told the scores of the other images alone: what it proposes may be judged on the fold's images.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from segtrain.config import Span
from segtrain.run.tuning.trials import Steps, Trial, best
from segtrain.seeds import derive_seed

__all__ = ["Proposals"]

ASKS = 50
"""How often TPE is asked until it names something new: told what it knows already, it moves on."""


class Proposals:
    """The sequence of post-processings to try; it depends on the seed and on what was tried before alone.

    Args:
        spaces: step -> parameter -> range, in the order of work; a step without ranges is there or not.
        given: step -> parameter -> the value that its config has.
        folds: (N,) int, the part that each image is in.
        trials: how many there will be; the first half looks at no score.
        seed: of chance.
    """

    def __init__(
        self,
        spaces: Mapping[str, Mapping[str, Span]],
        given: Mapping[str, Mapping[str, Any]],
        folds: np.ndarray,
        trials: int,
        seed: int,
    ) -> None:
        self.spaces = spaces
        self.defaults = {
            name: {key: given[name][key] for key in space if key in given[name]} for name, space in spaces.items()
        }
        self.folds = folds
        self.seed = seed
        one_by_one: list[Steps] = [{name: values} for name, values in self.defaults.items()]
        self.first: list[Steps] = [{}, *one_by_one, *([self.defaults] if len(spaces) > 1 else [])]
        self.unseen = max(len(self.first), trials // 2)

    def next(self, known: Sequence[Trial]) -> tuple[Steps, int | None]:
        """Give the next post-processing and the fold whose images had no part in it; None = no image had."""
        number = len(known)
        if number < len(self.first):
            return self.first[number], None
        if number < self.unseen:
            return self._drawn(number), None
        count = int(self.folds.max()) + 1
        fold = (number - self.unseen) % count
        told = [trial for trial in known if trial.fold in (None, fold)]
        return (self._joined if number < self.unseen + count else self._estimated)(told, fold, number), fold

    def _drawn(self, number: int) -> Steps:
        """Draw one step with chance parameters, or, every other time, some steps: two or three of many."""
        rng = np.random.default_rng(derive_seed(self.seed, number))
        names = list(self.spaces)
        chosen = rng.random(len(names)) < min(0.5, 2 / len(names)) if number % 2 else np.zeros(len(names), bool)
        chosen[rng.integers(len(names))] = True
        return {name: self._values(name, rng) for name, on in zip(names, chosen, strict=True) if on}

    def _values(self, name: str, rng: np.random.Generator) -> dict[str, Any]:
        return {key: _draw(span, rng) for key, span in self.spaces[name].items()}

    def _joined(self, told: list[Trial], fold: int, number: int) -> Steps:
        """Put the steps together that are worth something alone, each as it did best."""
        others = self.folds != fold
        raw = next(trial for trial in told if not trial.steps).scores[others].mean()
        joined = {}
        for name in self.spaces:
            alone = [trial for trial in told if list(trial.steps) == [name] and not trial.fault]
            if alone and (found := best(alone, others)).scores[others].mean() > raw:
                joined[name] = found.steps[name]
        return joined

    def _estimated(self, told: list[Trial], fold: int, number: int) -> Steps:
        """Ask TPE (Bergstra et al. 2011) that has seen the images outside the fold."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=derive_seed(self.seed, number) % 2**32, n_startup_trials=1)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials([self._frozen(trial, fold) for trial in told if not trial.fault])
        known = {trial.key: trial for trial in told}
        for _ in range(ASKS):
            asked = study.ask()
            steps = self._suggested(asked)
            if (alike := known.get(json.dumps(steps))) is None:
                return steps
            if alike.fault:
                study.tell(asked, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(asked, self._value(alike, fold))
        return self._drawn(number)

    def _suggested(self, trial: optuna.Trial) -> Steps:
        chosen = [name for name in self.spaces if trial.suggest_categorical(name, [True, False])]
        return {
            name: {key: _suggested(trial, f"{name}.{key}", span) for key, span in self.spaces[name].items()}
            for name in chosen
        }

    def _value(self, trial: Trial, fold: int) -> float:
        """Give the mean score of the images outside a fold."""
        return float(trial.scores[self.folds != fold].mean())

    def _frozen(self, trial: Trial, fold: int) -> optuna.trial.FrozenTrial:
        """Give a trial as Optuna knows it."""
        params: dict[str, Any] = {name: name in trial.steps for name in self.spaces}
        kinds: dict[str, BaseDistribution] = {name: CategoricalDistribution([True, False]) for name in self.spaces}
        for name, values in trial.steps.items():
            for key, span in self.spaces[name].items():
                if key in values and _holds(span, values[key]):
                    params[f"{name}.{key}"], kinds[f"{name}.{key}"] = values[key], _distribution(span)
        return optuna.trial.create_trial(params=params, distributions=kinds, value=self._value(trial, fold))


def _distribution(span: Span) -> BaseDistribution:
    if span.choices:
        return CategoricalDistribution(span.choices)
    if span.is_int:
        return IntDistribution(int(span.low), int(span.high), log=span.log, step=int(span.step or 1))
    return FloatDistribution(span.low, span.high, log=span.log, step=span.step)


def _suggested(trial: optuna.Trial, name: str, span: Span) -> Any:
    if span.choices:
        return trial.suggest_categorical(name, span.choices)
    if span.is_int:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log, step=int(span.step or 1))
    return trial.suggest_float(name, span.low, span.high, log=span.log, step=span.step)


def _holds(span: Span, value: Any) -> bool:
    """Whether a value may be told of: one given in a config may lie outside the range."""
    if span.choices:
        return value in span.choices
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and span.low <= value <= span.high and (span.step is None or (value - span.low) % span.step == 0)


def _draw(span: Span, rng: np.random.Generator) -> Any:
    """Draw a value by chance."""
    if span.choices:
        return span.choices[rng.integers(len(span.choices))]
    if span.step is not None:
        return span.low + span.step * int(rng.integers(round((span.high - span.low) / span.step) + 1))
    if span.log:
        value = float(np.exp(rng.uniform(np.log(span.low), np.log(span.high))))
        return round(value) if span.is_int else value
    return (
        int(rng.integers(int(span.low), int(span.high) + 1)) if span.is_int else float(rng.uniform(span.low, span.high))
    )
