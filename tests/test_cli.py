"""The commands: exit statuses, run folders, sweeps, and no torch before the check has passed."""

import logging
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig

from segtrain import cli, config
from segtrain.config import faults
from segtrain.errors import CheckpointError, ConfigError, DataError, TrainingError

ROOT = Path(__file__).parents[1]
FAULTY = ["loss=dicee", "model.encoder_nme=x", "trainer.max_epochs=abc", "+trainer.max_epoch=2"]


_base = cache(faults._base)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Relative paths end in tmp_path; what Hydra does to the process is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(faults, "_base", _base)  # the plain config, which most of the time here goes into
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


Runs = list[tuple[DictConfig, Path]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Stands in for the part that needs torch, and keeps what it was asked."""
    asked: Runs = []

    def train(cfg: DictConfig, run_dir: Path) -> dict[str, float]:
        hydra = HydraConfig.get()
        if hydra.mode == RunMode.RUN:  # under DDP, Lightning sends the other ranks to this folder
            assert Path(hydra.run.dir).absolute() == run_dir
        asked.append((cfg, run_dir))
        return {"val/dice": 0.5, "test/dice": 0.4}

    def other(cfg: DictConfig) -> None:
        asked.append((cfg, Path()))

    names = ("evaluate", "predict", "segment", "check_data", "benchmark", "correct")
    run = SimpleNamespace(train=train, **dict.fromkeys(names, other))
    monkeypatch.setattr(cli, "_run", lambda: run)
    return asked


def status(call: Callable[..., Any], *arguments: str) -> int:
    try:
        call(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def process(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


# In a process of their own


def test_faults_end_with_status_2_all_at_once_quickly_and_without_torch(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom segtrain.cli import train\ntry:\n    train()\nfinally:\n"
        "    print(sorted({'torch', 'pytorch_lightning', 'numpy', 'albumentations'} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = process(sys.executable, "-c", script, *FAULTY, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    assert done.stdout == "[]\n"
    lines = done.stderr.splitlines()
    assert lines[0] == "the config cannot be built:"
    assert lines[1].startswith("  loss=dicee: loss has no option 'dicee', did you mean 'dice'? The options are ")
    assert lines[2:] == [
        "  model.encoder_nme: segtrain.models.unet takes no 'encoder_nme', did you mean 'encoder'?",
        "  trainer.max_epochs: int or null expected, got 'abc'",
        "  trainer.max_epoch: pytorch_lightning.Trainer takes no 'max_epoch', did you mean 'max_epochs'?",
    ]
    assert list(tmp_path.iterdir()) == []
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 3.0


@pytest.mark.parametrize(
    "command",
    [
        [str(ROOT / "train.py"), "loss=dicee"],
        [str(ROOT / "scripts" / "evaluate.py"), "spilt=test", "run=x"],
        [str(ROOT / "scripts" / "predict.py"), "run=x"],
        [str(ROOT / "scripts" / "segment.py"), "input=x"],
        [str(ROOT / "scripts" / "check_data.py"), "dta=x"],
        [str(ROOT / "scripts" / "correct.py"), "run=x"],
        [str(ROOT / "scripts" / "benchmark.py"), "sped"],
        [str(ROOT / "scripts" / "configs.py"), "los"],
        ["-c", "from segtrain.cli import main; main()", "check-data", "dta=x"],
    ],
    ids=lambda command: Path(command[0]).name,
)
def test_each_script_refuses_with_status_2(command: list[str], tmp_path: Path) -> None:
    done = process(sys.executable, *command, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_console_command_shows_a_config(tmp_path: Path) -> None:
    done = process(str(Path(sys.executable).with_name("segtrain")), "train", "--cfg", "job", "-p", "loss", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_target_: segtrain.losses.Dice" in done.stdout
    assert list(tmp_path.iterdir()) == []


# In this process


def test_a_run_gets_its_folder_and_its_config(runs: Runs, tmp_path: Path) -> None:
    arguments = list(sys.argv)
    assert status(cli.train, "seed=3", "loss_weights.dice=0.5") == 0
    ((cfg, run_dir),) = runs
    assert (cfg.seed, cfg.loss_weights.dice, cfg.num_classes) == (3, 0.5, len(cfg.data.classes))
    assert run_dir == tmp_path / cfg.paths.run_dir
    assert cfg.paths.run_dir.startswith("outputs/train/20")
    assert {path.name for path in (run_dir / ".hydra").iterdir()} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    assert (run_dir / "train.log").is_file()
    assert sys.argv == arguments  # Lightning starts the other ranks by it


def test_two_runs_in_the_same_second_have_two_folders(runs: Runs) -> None:
    for _ in range(3):
        assert status(cli.train) == 0
    assert len({run_dir for _, run_dir in runs}) == 3


def test_run_dir_puts_the_run_exactly_there_and_only_once(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(cli.train, "paths.run_dir=here") == 0
    assert runs[0][1] == tmp_path / "here"
    assert status(cli.train, "paths.run_dir=here") == 2
    assert "paths.run_dir: here holds another run" in capsys.readouterr().err
    assert status(cli.train, "paths.run_dir=here", "ckpt_path=here/checkpoints/last.ckpt") == 0


def test_what_was_chosen_is_printed(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    status(cli.train, "loss=[dice,bce]", "paths.run_dir=here")
    short = capsys.readouterr().out.splitlines()
    assert short[0] == "here"
    assert [line.split()[1:] for line in short if "loss" in line] == [["loss", "dice,", "bce"]]
    assert [line.split()[1:] for line in short if "noise" in line] == [["noise", "none"]]
    assert [line.split()[1:] for line in short if "model" in line] == [["model", "unet"]]
    status(cli.train, "print_config=full")
    assert "_target_: segtrain.losses.Dice" in capsys.readouterr().out
    status(cli.train, "print_config=none")
    assert capsys.readouterr().out == ""


def test_other_ranks_print_nothing(
    runs: Runs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert status(cli.train, "hydra.run.dir=there", "hydra.output_subdir=null", "hydra.job.name=rank_1") == 0
    assert capsys.readouterr().out == ""
    assert (runs[0][1].name, runs[0][0].paths.run_dir) == ("there", "there")


def test_a_sweep_runs_every_job_in_a_folder_of_its_own(runs: Runs, tmp_path: Path) -> None:
    assert status(cli.train, "-m", "seed=3", "loss=dice,[bce,focal]") == 0
    assert [(cfg.seed, *cfg.loss) for cfg, _ in runs] == [(3, "dice"), (3, "bce", "focal")]
    assert len({run_dir for _, run_dir in runs}) == 2
    assert len({run_dir.parent for _, run_dir in runs}) == 1
    assert all(run_dir == tmp_path / cfg.paths.run_dir for cfg, run_dir in runs)
    assert runs[0][1].is_relative_to(tmp_path / "outputs" / "train" / "multirun")


def test_a_sweep_with_a_fault_in_one_job_starts_none(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(cli.train, "-m", "loss=dice,bec", "seed=0") == 2
    assert runs == []
    assert capsys.readouterr().err.count("loss=bec:") == 1


def test_one_failing_job_leaves_the_others_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = []

    def train(cfg: DictConfig, run_dir: Path) -> dict[str, float]:
        seeds.append(cfg.seed)
        if cfg.seed == 0:
            raise TrainingError("the loss is not finite")
        return {"val/dice": 0.5}

    monkeypatch.setattr(cli, "_run", lambda: SimpleNamespace(train=train))
    assert status(cli.train, "-m", "seed=0,1") == 1
    assert seeds == [0, 1]
    assert "the loss is not finite" in capsys.readouterr().err


def test_the_optimized_metric_is_what_a_sweep_is_told(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    returned = []
    original = cli._job

    def job(*arguments: Any) -> Any:
        returned.append(original(*arguments))
        return returned[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_job", job)
        assert status(cli.train, "-m", "seed=0", "optimized_metric=test/dice") == 0
        assert returned == [0.4]
    assert status(cli.train, "-m", "seed=0", "optimized_metric=test/dise") == 2
    assert "optimized_metric: the run has no 'test/dise', did you mean 'test/dice'?" in capsys.readouterr().err


def _not_built(*arguments: object) -> None:
    instantiate({"_target_": "segtrain.noise.Curriculum", "epochs": 3, "start_fraction": 7.0})


def _bug(*arguments: object) -> None:
    raise RuntimeError("a mistake in the code")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigError("cannot be built:", ["one", "two"]), 2, "cannot be built:\n  one\n  two\n"),
        (DataError("cannot be read:", ["a.png"]), 1, "cannot be read:\n  a.png\n"),
        (CheckpointError("x.ckpt is cut short"), 1, "x.ckpt is cut short\n"),
        (TrainingError("the disk is full"), 1, "the disk is full\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(143), 143, ""),
    ],
)
@pytest.mark.parametrize("call", [cli.train, cli.evaluate], ids=["train", "evaluate"])
def test_exit_status_tells_the_truth(
    call: Callable[..., None],
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_run", lambda: SimpleNamespace(train=fail, evaluate=fail))
    given = ["print_config=none"] if call is cli.train else ["run=x"]
    assert status(call, *given) == code
    assert capsys.readouterr().err == says


def test_a_constructor_that_refuses_its_values_ends_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_run", lambda: SimpleNamespace(train=_not_built))
    assert status(cli.train) == 2
    assert "start_fraction" in capsys.readouterr().err


def test_a_mistake_in_the_code_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run", lambda: SimpleNamespace(train=_bug))
    with pytest.raises(RuntimeError, match="a mistake in the code"):
        cli.train([])

    def broken(*arguments: object) -> None:
        instantiate({"_target_": "json.loads"})

    monkeypatch.setattr(cli, "_run", lambda: SimpleNamespace(train=broken))
    with pytest.raises(InstantiationException):
        cli.train([])


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (cli.evaluate, ["run=x", "tta=flips", "data.root=y"]),
        (cli.predict, ["run=x", "input=y"]),
        (cli.segment, ["input=x", "output=y"]),
        (cli.check_data, ["processes=2"]),
        (cli.correct, ["run=x", "decisions=y", "formats=[png,coco]"]),
        (cli.benchmark, ["speed", "trainer.max_epochs=1"]),
    ],
)
def test_the_other_commands_leave_no_folder(
    call: Callable[..., None], arguments: list[str], runs: Runs, tmp_path: Path
) -> None:
    assert status(call, *arguments) == 0
    assert len(runs) == 1
    assert list(tmp_path.iterdir()) == []


def test_own_configs_stand_before_those_that_ship(runs: Runs, tmp_path: Path) -> None:
    own = tmp_path / "own" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\n# Mine.\ndefaults:\n  - override /loss: bce\nseed: 7\n")
    assert status(cli.train, "--config-dir", "own", "experiment=mine") == 0
    assert (runs[0][0].seed, *runs[0][0].loss) == (7, "bce")
    assert status(cli.train, "-m", "--config-dir", "own", "experiment=mine") == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--config-dir", "nowhere"], "--config-dir: there is no folder nowhere\n"),
        (["--config-path", "x"], "configs of your own come by --config-dir; there is no --config-path"),
        (["--experimental-rerun", "x.pickle"], "configs of your own come by --config-dir"),
        (["--cfg", "job", "loss=dicee"], "loss has no option 'dicee', did you mean 'dice'?"),
    ],
)
def test_flags(arguments: list[str], says: str, runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(cli.train, *arguments) == 2
    assert says in capsys.readouterr().err
    assert runs == []


def test_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], runs: Runs) -> None:
    def main(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["segtrain", *arguments])
        return status(lambda _: cli.main())

    assert main("trian") == 2
    assert capsys.readouterr().err.startswith(
        "there is no command 'trian', did you mean 'train'? The commands are train,"
    )
    assert main("--version") == 0
    assert capsys.readouterr().out.startswith("segtrain ")
    assert main() == 0
    out = capsys.readouterr().out
    assert all(
        command in out for command in ("train", "evaluate", "predict", "check-data", "correct", "benchmark", "configs")
    )
    assert main("train", "seed=5", "print_config=none") == 0
    assert runs[0][0].seed == 5
    assert main("check-data", "data.batch_size=2") == 0
    assert runs[1][0].data.batch_size == 2


def test_configs_lists_options_with_their_first_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(cli.configs, "noise") == 0
    assert re.search(r"^  none +Trust every label: the baseline\.$", capsys.readouterr().out, re.MULTILINE)
    assert status(cli.configs) == 0
    out = capsys.readouterr().out
    assert all(f"\n{group}\n" in f"\n{out}" for group in config.groups())
    assert status(cli.configs, "nose") == 2
    assert "there is no group 'nose', did you mean 'noise'?" in capsys.readouterr().err
