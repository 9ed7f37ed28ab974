"""benchmark diagnosis: what noise=auto says of labels corrupted in ways that its rules were not made from."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from rich.console import Console

from segtrain.config import compose_config
from segtrain.noise import Auto
from segtrain.noise.prescription import REMEDIES
from segtrain.reports.compare import markdown
from segtrain.run.build import build

__all__ = ["diagnosis"]


class Held(NamedTuple):
    """A corruption that was held out, and what it does by its definition."""

    name: str
    overrides: Sequence[str]
    kinds: Sequence[str]
    """What a right diagnosis names at least one of; empty: nothing is wrong."""


HELD_OUT = (
    Held("right labels", ["corruption=none"], []),
    Held("Markov, wide", ["corruption=markov", "corruption.markov.steps=30"], ["wide"]),
    Held(
        "Markov, tight", ["corruption=markov", "corruption.markov.steps=30", "corruption.markov.growth=0.2"], ["tight"]
    ),
    Held("affine", ["corruption=affine"], ["displaced", "shaky"]),
    Held("edge distortion", ["corruption=edge_distort", "corruption.edge_distort.radius=[2,4]"], ["shaky", "ragged"]),
    Held("superpixels", ["corruption=superpixel"], ["shaky", "ragged"]),
    Held("polygons", ["corruption=polygon"], ["shaky", "tight"]),
    Held("rotated objects", ["corruption=rotate"], ["shaky", "displaced"]),
    Held("five annotators", ["corruption=annotator"], ["unsteady", "shaky", "missing"]),
)
SEEDS = 3
FIRST_SEED = 101
"""Of the pictures, the corruption and the training; the rules were made with others."""
SETTINGS = (
    "data=synthetic", "data.label_noise=null", "data.num_train=144", "data.clean_fraction=0.125", "data.size=96",
    "model=unet_plain", "model.width=8", "model.norm=group", "loss=cross_entropy", "optimizer.lr=0.004",
    "noise=auto", "trainer=cpu", "trainer.max_epochs=40", "trainer.limit_val_batches=0",
    "trainer.num_sanity_val_steps=0", "callbacks=none", "logger=[csv]",
)  # fmt: skip


def diagnosis(cfg: DictConfig) -> str:
    """Train the probe of `noise=auto` on each held-out corruption with each seed; give a Markdown table.

    Args:
        cfg: its `seed` is added to the first one.
    """
    lines = [["labels", "seed", "a right diagnosis names", "found", "right", "remedy"]]
    for held in HELD_OUT:
        for seed in range(FIRST_SEED + cfg.seed, FIRST_SEED + cfg.seed + SEEDS):
            found, remedy = probed([*SETTINGS, *held.overrides, f"seed={seed}", f"data.seed={seed}"])
            right = bool(set(held.kinds) & set(found)) if held.kinds else not found
            told = ", ".join(f"{kind} {amount}" for kind, amount in found.items()) or "nothing"
            lines.append(
                [held.name, str(seed), " or ".join(held.kinds) or "nothing", told, "yes" if right else "no", remedy]
            )
            Console().print(" | ".join(lines[-1]), markup=False, highlight=False, soft_wrap=True)
    hits = sum(line[4] == "yes" for line in lines[1:])
    table = f"{markdown(lines)}\n\n{hits} of {len(lines) - 1} diagnoses are right.\n"
    Console().print(table, markup=False, highlight=False, soft_wrap=True)
    return table


def probed(overrides: Sequence[str]) -> tuple[dict[str, str], str]:
    """Train until `noise=auto` has made up its mind; give the amount of each kind that it found, and its remedy."""
    parts = build(compose_config("train", overrides), Path(tempfile.mkdtemp(prefix="segtrain-benchmark-")))
    parts.trainer.callbacks.append(_UntilDecided())  # type: ignore[attr-defined]
    parts.trainer.fit(parts.task, datamodule=parts.data)
    strategy = parts.task.strategy
    assert isinstance(strategy, Auto)
    assert strategy.diagnosis is not None
    assert strategy.choice is not None
    found = {
        finding.kind: f"{finding.amount.value:.2f} [{finding.amount.low:.2f}, {finding.amount.high:.2f}]"
        for finding in strategy.diagnosis.found()
    }
    return found, REMEDIES[strategy.choice]


class _UntilDecided(pl.Callback):
    """Ends a training as soon as the strategy has chosen a remedy."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or pl_module.strategy.choice is not None
