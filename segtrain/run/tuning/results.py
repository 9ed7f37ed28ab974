"""What a tuning leaves: the chosen steps for `postprocess=auto`, all trials, and a page that says what helps."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from segtrain.reports.compare import markdown
from segtrain.reports.paired import PairedGain, paired_gain
from segtrain.reports.scores import better_when_low, number, spoken
from segtrain.run.status import write_atomically
from segtrain.run.tuning.auto import TUNED
from segtrain.run.tuning.choice import Choice
from segtrain.run.tuning.stored import Scene
from segtrain.run.tuning.trials import Trial, Trials

__all__ = ["finish"]


def finish(output: Path, choice: Choice, trials: Trials, scene: Scene, cfg: DictConfig) -> Path:
    """Write `postprocess.yaml`, `tuned.json` and `tuned.md` into a folder; print the page and give the first."""
    chosen = trials.config(choice.trial.steps)
    sentences = list(_sentences(choice, trials, scene, cfg))
    page = f"{_table(choice, trials, scene.groups)}\n\n" + "\n".join(sentences)
    content = {
        "score": cfg.score,
        "reference": cfg.reference,
        "images": len(scene),
        "chosen": OmegaConf.to_container(chosen),
        "gain": choice.gain._asdict(),
        "helps": {name: gain._asdict() for name, gain in choice.helps.items()},
        "dropped": {name: gain._asdict() for name, gain in choice.dropped.items()},
        "sentences": sentences,
        "trials": [_told(trial, better_when_low(cfg.score)) for trial in trials.known],
    }
    write_atomically(output / "tuned.json", json.dumps(content, indent=1) + "\n")
    write_atomically(output / "tuned.md", f"# Post-processing chosen on the validation split\n\n{page}\n")
    comment = f"# Chosen by tune-postprocess for {cfg.score} on {len(scene)} images of the validation split.\n"
    write_atomically(output / TUNED, comment + OmegaConf.to_yaml(chosen))
    Console().print(page, markup=False, highlight=False, soft_wrap=True)
    Console().print(f"\nresults {output}", highlight=False, soft_wrap=True)
    return output / TUNED


def _told(trial: Trial, low: bool) -> dict[str, Any]:
    """Give a trial as it is written down, its score as people know it."""
    mean = None if trial.fault else float(trial.scores.mean()) * (-1 if low else 1)
    return {"steps": trial.steps, "score": mean, "fold": trial.fold, "seconds": trial.seconds, "fault": trial.fault}


def _sentences(choice: Choice, trials: Trials, scene: Scene, cfg: DictConfig) -> Iterator[str]:
    yield _judged_by(scene)
    raw, tuned = (abs(float(trial.scores.mean())) for trial in (trials.known[0], choice.trial))
    metric = spoken("image_dice" if cfg.score == "dice" else cfg.score)
    if choice.trial.steps:
        yield (
            f"{metric}: {number(cfg.score, raw)} raw, {number(cfg.score, tuned)} with {', '.join(choice.trial.steps)} "
            "on the images that they were tuned on."
        )
        spread = "more than chance" if choice.gain.low > 0 else "no more than other images could give by chance"
        yield f"Gain in cross-validation, on images it was not tuned on: {choice.gain}, {spread}."
        yield "predict and evaluate take it by postprocess=auto."
    else:
        yield f"{metric}: {number(cfg.score, raw)} raw. No step helps: postprocess=auto leaves the prediction as it is."
    for name, gain in choice.dropped.items():
        luck = ", which other images could give by chance" if gain.value > 0 else ""
        yield f"{name} is dropped: in cross-validation it adds {gain}{luck}."
    if failed := [trial for trial in trials.known if trial.fault]:
        yield f"{len(failed)} of {len(trials.known)} trials failed, the last one by {failed[-1].fault}"


def _judged_by(scene: Scene) -> str:
    """Say whose masks are taken for right."""
    count = f"Tuned on {len(scene)} images of the validation split"
    if scene.reference is not None:
        return f"{count}, against the reference {scene.reference}."
    others = scene.source.reference_names
    clean = int(scene.samples.clean.sum())
    if clean == len(scene):
        return f"{count}, against their given labels, all of which are marked as clean."
    cure = f": reference={others[0]} tunes against another mask of theirs." if others else "."
    return f"{count}, against their given labels, which may hold mistakes ({clean} are marked as clean){cure}"


def _table(choice: Choice, trials: Trials, groups: np.ndarray) -> str:
    """Give a row for each candidate: what it is worth alone as its config has it, and what it adds to the others."""
    raw = trials.known[0].scores
    lines = [["step", "alone, untuned", "adds to the others", "", "parameters"]]
    for place, name in enumerate(trials.nodes, 1):
        alone = trials.known[place]
        gain = alone.fault or str(paired_gain(alone.scores - raw, groups))
        added: PairedGain | None = choice.helps.get(name) or choice.dropped.get(name)
        verdict = "kept" if name in choice.trial.steps else "dropped" if name in choice.dropped else "not chosen"
        given = choice.trial.steps.get(name, {})
        lines.append(
            [name, gain, str(added or ""), verdict, ", ".join(f"{key}={_short(v)}" for key, v in given.items())]
        )
    return markdown(lines)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
