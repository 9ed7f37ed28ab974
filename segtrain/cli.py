"""The commands: each is checked before torch is imported, then run by Hydra, and ends with a truthful exit status."""

import importlib
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra._internal.utils import _run_hydra, get_args_parser  # what `hydra.main` calls, with arguments of our own
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

import segtrain
from segtrain import config
from segtrain.errors import ConfigError, SegtrainError

__all__ = [
    "audit", "benchmark", "check_data", "compare", "configs", "correct", "evaluate", "main", "predict", "segment",
    "train", "tune_postprocess",
]  # fmt: skip

Arguments = Sequence[str] | None
"""What follows the command; None = what the process was started with."""
Job = Callable[[DictConfig], Any]


def train(arguments: Arguments = None) -> None:
    """Train a model and test it: model=unet loss=dice noise=curriculum"""
    _ending_truly(lambda: _hydra("train", arguments, _train))


def evaluate(arguments: Arguments = None) -> None:
    """Score a trained model on a split: run=outputs/train/<run>"""
    _ending_truly(lambda: _hydra("evaluate", arguments, lambda cfg: _run().evaluate(cfg)))


def predict(arguments: Arguments = None) -> None:
    """Segment new images: run=outputs/train/<run> input=my_images"""
    _ending_truly(lambda: _hydra("predict", arguments, lambda cfg: _run().predict(cfg)))


def segment(arguments: Arguments = None) -> None:
    """Segment images without a trained model: segmenter=mean_shift input=my_images output=regions"""
    _ending_truly(lambda: _hydra("segment", arguments, lambda cfg: _run().segment(cfg)))


def audit(arguments: Arguments = None) -> None:
    """Find the labels that are probably wrong: run=outputs/train/<run>"""
    _ending_truly(lambda: _hydra("audit", arguments, lambda cfg: _run().audit(cfg)))


def check_data(arguments: Arguments = None) -> None:
    """Look at every image and mask of a data set: data=folder data.root=my_data"""
    _ending_truly(lambda: _hydra("check_data", arguments, lambda cfg: _run().check_data(cfg)))


def correct(arguments: Arguments = None) -> None:
    """Turn decisions on an audit into corrected masks: run=outputs/train/<run> decisions=decisions.json"""
    _ending_truly(lambda: _hydra("correct", arguments, lambda cfg: _run().correct(cfg)))


def tune_postprocess(arguments: Arguments = None) -> None:
    """Choose post-processing on the validation split: run=outputs/train/<run>"""
    _ending_truly(lambda: _hydra("tune_postprocess", arguments, lambda cfg: _run().tune_postprocess(cfg)))


def benchmark(arguments: Arguments = None) -> None:
    """Measure: noise or audit study=chest_biased (what they are worth), postprocess, segment, speed, cost, ..."""
    kind, *given = list(sys.argv[1:] if arguments is None else arguments) or [""]
    own = ("audit", "crf", "cuts", "noise", "pace", "postprocess", "segment")  # not made from a training
    if kind not in own:
        given = [f"kind={kind}" if kind.isidentifier() else kind, *given] if kind else []
    name = f"benchmark_{kind}" if kind in own else "benchmark"
    _ending_truly(lambda: _hydra(name, given, lambda cfg: _run().benchmark(cfg)))


def configs(arguments: Arguments = None) -> None:
    """List what can be chosen: [group]"""
    _ending_truly(lambda: _list_configs(sys.argv[1:] if arguments is None else arguments))


def compare(arguments: Arguments = None) -> None:
    """Compare finished runs over their seeds: outputs/train --by noise --scores test/dice"""
    _ending_truly(lambda: _compare(sys.argv[1:] if arguments is None else arguments))


_COMMANDS: dict[str, Callable[[Arguments], None]] = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "segment": segment,
    "audit": audit,
    "check-data": check_data,
    "correct": correct,
    "tune-postprocess": tune_postprocess,
    "benchmark": benchmark,
    "compare": compare,
    "configs": configs,
}


def main() -> None:
    """The console command `segtrain <command> ...`."""
    command, *arguments = sys.argv[1:] or ["--help"]
    if command == "--version":
        Console().print(f"segtrain {segtrain.__version__}", highlight=False)
    elif command in ("-h", "--help"):
        Console().print("segtrain <command> [group=option] [key=value] ...\n", markup=False, highlight=False)
        config.show_table({name: str(function.__doc__) for name, function in _COMMANDS.items()})
        Console().print("\nMore: segtrain configs; segtrain <command> --help", highlight=False)
    elif command in _COMMANDS:
        _COMMANDS[command](arguments)
    else:
        near = config.suggestion(command, list(_COMMANDS))
        sys.exit(_told(f"there is no command '{command}'{near or '.'} The commands are {', '.join(_COMMANDS)}", 2))


def _ending_truly(work: Callable[[], None]) -> None:
    """Do the work; end with a sentence and an exit status where the mistake is not in the code."""
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if (verdict := _verdict(error)) is None:
            raise
        sys.exit(_told(*verdict))


def _verdict(error: Exception) -> tuple[str, int] | None:
    """Give the sentence and the exit status of an error that is a user's; None for a mistake in the code."""
    if isinstance(error, SegtrainError):
        return str(error), error.exit_status
    if isinstance(error, InstantiationException):
        cause = error.__cause__
        where = str(error).splitlines()[-1].removeprefix("full_key: ")
        return (f"{where}: {cause}", 2) if isinstance(cause, ValueError) else None
    return (str(error), 2) if isinstance(error, HydraException | OmegaConfBaseException) else None


def _told(text: str, status: int) -> int:
    sys.stderr.write(text + "\n")
    return status


def _hydra(name: str, arguments: Arguments, job: Job) -> None:
    """Run a job as `hydra.main` does, after a check that needs neither torch nor data.

    `sys.argv` stays as it is: under DDP, Lightning starts the other ranks by it.
    """
    parser = get_args_parser()
    args = parser.parse_args(list(sys.argv[1:] if arguments is None else arguments))
    if args.config_path or args.experimental_rerun:
        raise ConfigError("configs of your own come by --config-dir; there is no --config-path or --experimental-rerun")
    args.overrides = config.normalised(args.overrides)
    name = args.config_name or name
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra passes errors on instead of printing them its way
    config.run_id.cache_clear()
    config.prepare_hydra()
    folder = Path(args.config_dir) if args.config_dir else None
    if not (args.cfg or args.info or args.help or args.hydra_help or args.shell_completion):
        sweep = args.multirun or "hydra.mode=MULTIRUN" in args.overrides
        config.check_command(name, args.overrides, folder=folder, multirun=sweep)
    try:
        _run_hydra(args, parser, lambda cfg: _job(name, folder, job, cfg), str(config.config_dir()), name)
    except HydraException:
        config.check_overrides(name, args.overrides, folder)  # says it better, and all at once
        raise


def _job(name: str, folder: Path | None, job: Job, cfg: DictConfig) -> Any:
    """One job; in a sweep its faults are told at once, as the other jobs go on and its error comes at the end."""
    sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        if sweep:
            config.check(cfg, name=name, overrides=HydraConfig.get().overrides.task, folder=folder)
        return job(cfg)
    except Exception as error:
        if (verdict := _verdict(error)) is None:
            raise
        status = _told(*verdict)
        if sweep:
            raise
        sys.exit(status)


def _run() -> ModuleType:
    """The part that imports torch, which a faulty command never waits for."""
    return importlib.import_module("segtrain.run")


def _train(cfg: DictConfig) -> float | None:
    hydra = HydraConfig.get()
    run_dir = Path(hydra.runtime.output_dir)
    # In a sweep, Hydra chose another folder than paths.run_dir says.
    cfg.paths.run_dir = str(run_dir.relative_to(Path.cwd()) if run_dir.is_relative_to(Path.cwd()) else run_dir)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        config.show_config(cfg, hydra.runtime.choices)
    metrics = _run().train(cfg, run_dir)
    if hydra.mode != RunMode.MULTIRUN:
        return None
    if cfg.optimized_metric not in metrics:
        near = config.suggestion(cfg.optimized_metric, list(metrics))
        raise ConfigError(f"optimized_metric: the run has no '{cfg.optimized_metric}'{near}")
    return float(metrics[cfg.optimized_metric])


def _compare(arguments: Sequence[str]) -> None:
    parser = ArgumentParser(prog="segtrain compare", description="Mean and spread of the scores of finished runs.")
    parser.add_argument("folder", type=Path, help="searched with all its subfolders")
    parser.add_argument("--by", nargs="+", default=["model", "loss", "noise"], help="keys of the config")
    parser.add_argument("--scores", nargs="+", default=["test/dice"], help="keys of metrics.json")
    args = parser.parse_args(arguments)
    reports = importlib.import_module("segtrain.reports")
    runs = reports.read_runs(args.folder, args.by, args.scores)
    Console().print(reports.compare(runs, args.by, args.scores), markup=False, highlight=False, soft_wrap=True)


def _list_configs(arguments: Sequence[str]) -> None:
    parser = ArgumentParser(prog="segtrain configs", description="List what can be chosen.")
    parser.add_argument("group", nargs="?", help="such as loss; all groups when left out")
    parser.add_argument("--config-dir", type=Path, help="a folder of your own configs")
    args = parser.parse_args(arguments)
    groups = config.groups(args.config_dir)
    if args.group and args.group not in groups:
        near = config.suggestion(args.group, groups)
        raise ConfigError(f"there is no group '{args.group}'{near or '.'} The groups are {', '.join(groups)}")
    config.show_options([args.group] if args.group else groups, args.config_dir)
