"""benchmark postprocess: each step at its defaults and tuned, and the tuned chain, beside the raw prediction."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from segtrain.config import compose_config
from segtrain.errors import ConfigError
from segtrain.postprocess import Pipeline
from segtrain.reports.compare import markdown
from segtrain.reports.scores import better_when_low, spoken
from segtrain.reports.study import spread
from segtrain.run.build import build_members
from segtrain.run.restore import restore
from segtrain.run.status import write_atomically
from segtrain.run.tuning import tune_postprocess
from segtrain.run.tuning.auto import FOLDER
from segtrain.run.tuning.command import scene_of

__all__ = ["postprocess"]

SCORES = ("dice", "boundary_f1", "hd95")
CHAIN = "tuned chain"
TUNED = ", tuned"


def postprocess(cfg: DictConfig) -> str:
    """Score post-processing on the test split of some runs, tuned on their validation splits; give a Markdown table.

    What an earlier benchmark has left in `report` counts.

    Raises:
        ConfigError: no run was named.
    """
    runs = [cfg.run] if isinstance(cfg.run, str) else list(cfg.run or [])
    if not runs:
        raise ConfigError("run: name the runs to measure, such as 'run=[outputs/train/a,outputs/train/b]'")
    file = Path(cfg.report) / f"{cfg.name}.json"
    known: dict[str, dict[str, Any]] = json.loads(file.read_text())["measured"] if file.exists() else {}
    for number, run in enumerate(runs):
        for arm, told in _measured(cfg, run, {key for key in known if known[key]["run"] == number}, number):
            known[f"{arm} #{number}"] = told
            write_atomically(file, json.dumps({"reference": cfg.reference, "measured": known}, indent=1) + "\n")
    page = f"{_table(known)}\n\n{_legend(cfg, known)}"
    write_atomically(file.with_suffix(".md"), f"# Post-processing: {cfg.name}\n\n{page}\n")
    Console().print(page, markup=False, highlight=False, soft_wrap=True)
    return page


def _measured(cfg: DictConfig, run: str, done: set[str], number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each arm's name and scores, but for those that are known."""
    base = [f"run='{run}'", f"reference={cfg.reference or 'null'}"]
    plain = compose_config("tune_postprocess", base)
    scene = scene_of(plain, restore(plain), "test")

    def told(arm: str, nodes: DictConfig) -> tuple[str, dict[str, Any]]:
        chain = Pipeline(build_members(nodes))
        start = time.perf_counter()
        scores = scene.score(chain, SCORES)  # (N, scores)
        milliseconds = 1000 * (time.perf_counter() - start) / len(scene)
        means = dict(zip(SCORES, scores.mean(axis=0).tolist(), strict=True))
        about = {"run": number, "images": len(scene), "milliseconds": milliseconds}
        return arm, {**about, "steps": OmegaConf.to_container(nodes), **means}

    def tuned(arm: str, settings: Sequence[str]) -> tuple[str, dict[str, Any]]:
        output = Path(run) / FOLDER / "benchmark" / arm.replace(", ", "_").replace(" ", "_")
        chosen = OmegaConf.load(
            tune_postprocess(compose_config("tune_postprocess", [*base, *settings, f"output='{output}'"]))
        )
        assert isinstance(chosen, DictConfig)
        return told(arm, chosen)

    if f"raw #{number}" not in done:
        yield told("raw", OmegaConf.create({}))
    for step in cfg.steps:
        chosen = f"postprocess=[{step}]"
        if f"{step} #{number}" not in done:
            yield told(step, compose_config("tune_postprocess", [*base, chosen]).postprocess)
        if f"{step}{TUNED} #{number}" not in done:
            yield tuned(f"{step}{TUNED}", [chosen, *cfg.alone])
    if f"{CHAIN} #{number}" not in done:
        yield tuned(CHAIN, cfg.chain)


def _table(known: Mapping[str, Mapping[str, Any]]) -> str:
    """Give a row for each arm, mean and standard deviation over the runs."""
    arms: dict[str, list[Mapping[str, Any]]] = {}
    for key, told in known.items():
        arms.setdefault(key.rpartition(" #")[0], []).append(told)
    raw = {told["run"]: told for told in arms["raw"]}
    head = [spoken("image_dice"), spoken("boundary_f1"), spoken("hd95")]
    lines = [["step", *(text for name in head for text in (name, "gain")), "kept", "ms / image"]]
    steps = list(dict.fromkeys(arm.removesuffix(TUNED) for arm in arms))
    for arm in sorted(arms, key=lambda name: (name == CHAIN, steps.index(name.removesuffix(TUNED)), name)):
        own = arms[arm]
        row = [arm]
        for score in SCORES:
            sign = -1 if better_when_low(score) else 1
            gains = np.array([sign * (one[score] - raw[one["run"]][score]) for one in own])
            deviation = f" ± {gains.std(ddof=1):.3f}" if len(gains) > 1 else ""
            row += [
                spread(np.array([one[score] for one in own])),
                "" if arm == "raw" else f"{gains.mean():+.3f}{deviation}",
            ]
        kept = f"{sum(bool(one['steps']) for one in own)} of {len(own)}" if arm.endswith(TUNED) or arm == CHAIN else ""
        lines.append([*row, kept, f"{np.mean([one['milliseconds'] for one in own]):.0f}"])
    return markdown(lines)


def _legend(cfg: DictConfig, known: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what the table shows, and what each run's chain is."""
    runs = {told["run"] for told in known.values()}
    images = next(iter(known.values()))["images"]
    truth = f"the reference {cfg.reference}" if cfg.reference else "the given labels"
    chains = {told["run"]: told["steps"] for key, told in known.items() if key.startswith(CHAIN)}
    said = [
        f"Mean and standard deviation over {len(runs)} runs, {images} test images each, against {truth}; a gain is "
        "what becomes better, in HD95 too. Tuned for Dice on the validation split; what does not help there is out: "
        '"kept" says in how many runs something was left. Milliseconds include reading an image and scoring it.'
    ]
    return "\n".join(
        [*said, "", *(f"- chain of run {run}: {', '.join(steps) or 'nothing'}" for run, steps in chains.items())]
    )
