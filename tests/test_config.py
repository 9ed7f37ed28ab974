"""The config check finds every fault at once; composing and listing need no torch."""

from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from segtrain import config
from segtrain.config import faults as faults_module
from segtrain.errors import ConfigError


def faults(*overrides: str, name: str = "train", folder: Path | None = None, multirun: bool = False) -> list[str]:
    try:
        config.check_command(name, config.normalised(overrides), folder=folder, multirun=multirun)
    except ConfigError as error:
        return error.faults
    return []


_base = cache(faults_module._base)


@pytest.fixture(autouse=True)
def _composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults_module, "_base", _base)  # the plain config, which most of the time here goes into


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own configs: experiments with something wrong in each."""
    recipes = {
        "half": "defaults:\n  - override /noise: curriculum\nnoise: {curriculum: {start_fraction: 0.4}}",
        "lost": "defaults:\n  - override /noise: curiculum",
        "typo": "trainer: {max_epoch: 2}\nlos: {}",
        "trusting": "allow_targets: [os.]\nmodel: {_target_: os.system, command: ls}",
        "launching": "hydra: {callbacks: {x: {_target_: os.system}}}",
        "logging": "hydra: {job_logging: {handlers: {x: {(): os.system}}}}",
        "dangling": "monitor: ${nothing}\nseed: ${oc.env:SEGTRAIN_UNSET}\noptimized_metric: ${num_clases}",
        "flat": "model: 3\nloss: {dice: null}",
    }
    for name, text in recipes.items():
        path = tmp_path / "own" / "experiment" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n# A recipe.\n{text}\n")
    return tmp_path / "own"


def test_the_default_has_no_fault() -> None:
    assert faults() == []


TYPED = {
    "loss=dicee": "loss=dicee: loss has no option 'dicee', did you mean 'dice'? The options are active_passive, bce",
    "noise=[none,curiculum]": "noise=[none,curiculum]: noise has no option 'curiculum', did you mean 'curriculum'? The",
    "losss=dice": "losss: there is no 'losss', did you mean 'loss'?",
    "model=null": "model=null: name one of deeplabv3, ",
    "model.encoder_nme=x": "model.encoder_nme: segtrain.models.unet takes no 'encoder_nme', did you mean 'encoder'?",
    "model.encoder.depth=3": "model.encoder.depth: there is nothing inside model.encoder",
    "paths.outptu_dir=x": "paths.outptu_dir: there is no 'outptu_dir' in paths, did you mean 'output_dir'?",
    "hydra.rnu.dir=x": "hydra.rnu: there is no 'rnu' in hydra, did you mean 'run'?",
    "ckpt_path=epoch=1.ckpt": "ckpt_path=epoch=1.ckpt: cannot be read; write key=value, and quote a value that holds",
    "tags=[dev": "tags=[dev: cannot be read",
    "dice": "dice: cannot be read",
    "optimizer=adamw,sgd": "optimizer=adamw,sgd: to stack them write 'optimizer=[adamw,sgd]', to try one after",
    "seed=range(3)": "seed=range(3): to stack them",
    "+train=false": "+train=false: train is there already, write train=false",
    "~nothing": "nothing: there is no 'nothing'",
}
LET_THROUGH = {
    "+noise=curriculum": "+noise=curriculum: options cannot be added to a group; name them all, such as 'noise=[a,b]'",
    "postprocess=[threshold,threshold]": "postprocess=[threshold,threshold]: threshold is named more than once",
    "scheduler=cosine": None,
    "scheduler=constant": "scheduler=constant: scheduler is chosen twice; to stack options write 'scheduler=[a,b]'",
    "~seed": "seed: was taken away, but it is needed",
    "~optimizer": "optimizer: was taken away, but it is needed",
    "+foo=1": "foo: there is no 'foo'",
    "+montor=x": "montor: there is no 'montor', did you mean 'monitor'?",
    "+paths.foo=1": "paths.foo: there is no 'foo' in paths",
    "+noise.curiculum.pacing=step": "noise.curiculum is set but not selected; there is no such option, did you mean 'c",
    "+noise.curriculum.pacing=step": "noise.curriculum is set but not selected; choose it by noise=curriculum",
    "loss.dice=null": "loss.dice: keys expected, got null",
    "loss_weights.dicee=2": "loss_weights.dicee: no such loss is chosen, did you mean 'dice'?",
    "loss_weights.dice=-1": "loss_weights.dice: at least 0 expected, got -1",
    "+trainer.max_epoch=2": "trainer.max_epoch: pytorch_lightning.Trainer takes no 'max_epoch', did you mean 'max_epo",
    "+model._args_=[1]": "model._args_: segtrain.models.unet takes no '_args_'",
}
VALUES = {
    "loss.dice.smooth=abc": "loss.dice.smooth: float expected, got 'abc'",
    "trainer.max_epochs=abc": "trainer.max_epochs: int or null expected, got 'abc'",
    "model.encoder=null": "model.encoder: str expected, got null",
    "task.normalize=imge": "task.normalize: one of 'image', 'range', 'fixed' expected, got 'imge', did you mean 'image",
    "task.overlap=???": "task.overlap: must be given, as task.overlap=...",
    "task.freeze_encoder=1": "task.freeze_encoder: bool expected, got 1",
    "seed=1.5": "seed: int expected, got 1.5",
    "train=1": "train: bool expected, got 1",
    "tags=dev": "tags: list expected, got 'dev'",
    "print_config=shrt": "print_config: one of 'short', 'full', 'none' expected, got 'shrt', did you mean 'short'?",
    "loss_weights.dice=much": "loss_weights.dice: float expected, got 'much'",
    "task_name=???": "task_name: must be given, as task_name=...",
    "monitor=${task_name}": None,
}
TARGETS = {
    "model._target_=segtrain.models.unett": "model._target_: there is no segtrain.models.unett, did you mean 'unet'?",
    "loss.dice._target_=os.system": "loss.dice._target_: 'os.system' is not allowed; only segtrain., torch.optim., ",
    "trainer._target_=pytorch_lightning.TrainerX": "trainer._target_: 'pytorch_lightning.TrainerX' is not allowed",
    "scheduler._target_=3": "scheduler._target_: 3 is not allowed",
    "optimizer._target_=torch.optm.SGD": "optimizer._target_: 'torch.optm.SGD' is not allowed",
    "task._target_=segtrain.data.source.dataclass": "task._target_: segtrain.data.source.dataclass is dataclasses.data",
    "hydra.launcher._target_=os.system": "hydra.launcher._target_: 'os.system' is not allowed; only Hydra's own",
}


@pytest.mark.parametrize(
    "told", [TYPED, LET_THROUGH, VALUES, TARGETS], ids=["typed", "let through", "values", "targets"]
)
def test_faults_are_told_all_at_once_each_with_its_cure(told: dict[str, str | None]) -> None:
    found = faults(*told)
    for override, says in told.items():
        assert says is None or any(fault.startswith(says) for fault in found), (override, found)
    expected = tuple(says for says in told.values() if says)
    assert [fault for fault in found if not fault.startswith(expected)] == []


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("loss=[]", "loss: nothing is chosen; name one of active_passive, bce, bootstrap"),
        ("~loss", "loss: nothing is chosen; name one of active_passive, bce, bootstrap"),
        ("~loss.dice", "loss: nothing is chosen; name one of active_passive, bce, bootstrap"),
        ("noise=[]", "noise: nothing is chosen; noise=none is the way to have none"),
        ("loss_weights=2", "loss_weights: keys expected, got 2"),
    ],
)
def test_what_is_empty_or_no_mapping(override: str, says: str) -> None:
    (found,) = faults(override)
    assert found.startswith(says)


def test_what_is_missing_is_told_once_and_what_is_no_word_is_told_too(folder: Path) -> None:
    (folder / "experiment" / "odd.yaml").write_text(
        "# @package _global_\n# Odd.\n1: one\nmodel: {2: two}\nloss: {dice: {_target_: 3}}\n"
    )
    assert faults("model._target_=???", "allow_targets=???", "loss.dice=???") == [
        "allow_targets: must be given, as allow_targets=...",
        "model._target_: must be given, as model._target_=...",
        "loss.dice: must be given, as loss.dice=...",
    ]
    assert faults("allow_targets=os.") == ["allow_targets: list expected, got 'os.'"]
    found = faults("experiment=odd", folder=folder)
    assert [fault.partition(":")[0] for fault in found] == ["1", "model[2]", "loss.dice._target_"]


def test_what_refers_to_a_fault_is_silent() -> None:
    found = faults("data.classes=abc")
    assert "num_classes: a list is needed to count, got 'abc'" in found
    assert "data.classes: list of str expected, got 'abc'" in found
    assert not any(fault.startswith("model.num_classes") for fault in found)


def test_a_key_of_an_option_chosen_later_on_the_line_is_known() -> None:
    assert faults("noise.curriculum.start_fraction=0.5", "noise=curriculum", "loss=dicee")[1:] == []


def test_stacks_and_weights_pass() -> None:
    assert (
        faults("loss=[dice,bce]", "noise=[curriculum,clean_only]", "loss_weights.dice=2", "loss_weights.bce=0.5") == []
    )


def test_a_setting_that_the_yaml_lacks_may_be_added(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "short.yaml").write_text(
        "# Short.\n_target_: segtrain.models.unet\nnum_classes: 2\nin_channels: 3\n"
    )
    assert faults("model=short", "model.encoder=resnet34", folder=folder) == [
        "model.encoder: not in the config, add it by +model.encoder=resnet34"
    ]
    assert faults("model=short", "+model.encoder=resnet34", folder=folder) == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["experiment=half", "noise=none"], ["noise.curriculum is set but not selected; choose it by noise=curricul"]),
        (["experiment=half"], []),
        (["experiment=lost"], ["experiment=lost: noise has no option 'curiculum', did you mean 'curriculum'? The op"]),
        (["experiment=typo"], ["los: there is no 'los', did you mean 'loss'?", "trainer.max_epoch: pytorch_lightnin"]),
        (["experiment=trusting"], ["allow_targets: may be given on the command line only", "model._target_: 'os.sys"]),
        (["experiment=launching"], ["hydra.callbacks.x._target_: 'os.system' is not allowed"]),
        (["experiment=logging"], ["hydra.job_logging.handlers.x.(): 'os.system' is not allowed"]),
        (["experiment=flat"], ["loss.dice: keys expected, got null", "model: an object with a _target_ expected, go"]),
    ],
)  # fmt: skip
def test_faults_of_a_users_own_experiment(folder: Path, overrides: list[str], says: list[str]) -> None:
    found = faults(*overrides, folder=folder)
    assert [any(fault.startswith(text) for fault in found) for text in says] == [True] * len(says), found
    assert bool(found) == bool(says)


def test_interpolations_that_lead_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGTRAIN_UNSET", raising=False)
    found = faults("experiment=dangling", folder=folder)
    assert found == [
        "seed: Environment variable 'SEGTRAIN_UNSET' not found",
        "monitor: there is no 'nothing' to refer to",
        "optimized_metric: there is no 'num_clases' to refer to, did you mean 'num_classes'?",
    ]


def test_a_prefix_allowed_on_the_command_line_is_allowed() -> None:
    assert faults("~model", "+model._target_=fractions.Fraction", "allow_targets=[fractions.]") == []
    assert faults("~model", "+model._target_=shlex.quote", "allow_targets=[fractions.]")[0].startswith("model._target_")


def test_every_job_of_a_sweep_is_checked() -> None:
    assert faults("loss=dice,[dice,bce]", multirun=True) == []
    found = faults("loss=dice,focall", "trainer.max_epochs=1,x", "trainer.strategy=ddp", multirun=True)
    assert [fault.partition(":")[0] for fault in found] == ["trainer.strategy", "trainer.max_epochs", "loss=focall"]


def test_a_used_folder_is_refused_unless_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = f"paths.run_dir={tmp_path}"
    assert faults(given) == []
    (tmp_path / "metrics.csv").touch()
    assert faults(given)[0].startswith(f"paths.run_dir: {tmp_path} holds another run")
    assert faults(given, f"ckpt_path={tmp_path}/last.ckpt") == []
    monkeypatch.setenv("LOCAL_RANK", "1")  # a rank of the run that made the folder
    assert faults(given) == []


@pytest.mark.parametrize(
    ("name", "overrides", "says"),
    [
        ("evaluate", ["run=x"], []),
        ("evaluate", ["ckpt_path=x", "tta=flips", "split=val", "postprocess=threshold", "data.root=y"], []),
        ("evaluate", [], ["run: give a run's folder, run=outputs/..., or a checkpoint, ckpt_path=..."]),
        (
            "evaluate",
            ["run=x", "split=tets"],
            ["split: one of 'train', 'val', 'test', 'all' expected, got 'tets', did you mean"],
        ),
        (
            "evaluate",
            ["run=x", "tta=flip"],
            ["tta: one of 'none', 'flips', 'dihedral' expected, got 'flip', did you mean"],
        ),
        ("evaluate", ["run=x", "data.rot=y"], ["data.rot: there is no 'rot' in data, did you mean 'root'?"]),
        ("predict", ["run=x", "input=y"], []),
        ("predict", ["run=x"], ["input: must be given, as input=..."]),
        ("predict", ["run=x", "input=y", "overlap=half"], ["overlap: float expected, got 'half'"]),
        ("segment", ["segmenter=kmeans", "segmenter.num_clusters=4", "input=x", "output=y"], []),
        (
            "segment",
            ["segmenter=mean_shift", "segmenter.mode=fats", "input=x"],
            ["output: must be given, as output=...", "segmenter.mode: one of 'fast', 'exact' expected, got 'fats'"],
        ),
        ("check_data", [], []),
        ("check_data", ["procceses=3"], ["procceses: there is no 'procceses', did you mean 'processes'?"]),
        ("benchmark", ["kind=speed"], []),
        (
            "benchmark",
            ["kind=sped"],
            ["kind: one of 'speed', "],
        ),
    ],
)
def test_the_other_commands(name: str, overrides: list[str], says: list[str]) -> None:
    found = faults(*overrides, name=name)
    assert len(found) == len(says)
    assert all(fault.startswith(text) for fault, text in zip(found, says, strict=True)), found


def test_check_takes_a_config_that_comes_from_a_file() -> None:
    saved = OmegaConf.create(OmegaConf.to_yaml(config.compose_config("train"), resolve=True))
    config.check(saved)
    saved.allow_targets = ["os."]
    saved.model._target_ = "os.system"
    with pytest.raises(ConfigError, match="allow_targets: may be given") as caught:
        config.check(saved)
    assert len(caught.value.faults) == 2
    saved.model = {"_target_": "fractions.Fraction"}
    saved.allow_targets = ["fractions."]
    config.check(saved, overrides=["allow_targets=[fractions.]"])  # trusted anew


def test_options_and_groups_come_with_their_first_line(folder: Path) -> None:
    assert {"loss", "noise", "model"} <= set(config.groups())
    assert config.options("noise")["none"] == "Trust every label: the baseline."
    assert config.options("experiment", folder)["half"] == "A recipe."
    assert config.options("nothing") == {}


def test_no_two_runs_share_a_folder() -> None:
    names = set()
    for _ in range(3):
        config.run_id.cache_clear()
        names.add(config.compose_config("train").paths.run_dir)
    assert len(names) == 3
    assert config.run_id() == config.run_id()
    assert int(config.run_id(), 16) < 16**6


def test_config_dir_prefers_the_copy_in_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "segtrain" / "config" / "compose.py"
    monkeypatch.setattr("segtrain.config.compose.__file__", str(module))
    assert config.config_dir() == tmp_path / "configs"
    (tmp_path / "segtrain" / "configs").mkdir(parents=True)
    assert config.config_dir() == tmp_path / "segtrain" / "configs"


def test_a_folder_of_ones_own_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config-dir: there is no folder"):
        config.check_command("train", [], folder=tmp_path / "nothing")
