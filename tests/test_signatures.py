"""Signatures read from source agree with what Python says after an import."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from segtrain.config import UnknownTargetError, signature
from segtrain.config.kinds import GIVEN, refusal

THIRD_PARTY = [
    "torch.optim.AdamW",
    "torch.optim.SGD",
    "torch.optim.lr_scheduler.OneCycleLR",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.loggers.CSVLogger",
    "pytorch_lightning.loggers.WandbLogger",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.callbacks.RichProgressBar",
    "albumentations.Compose",
    "albumentations.HorizontalFlip",
    "albumentations.RandomBrightnessContrast",
    "torchmetrics.JaccardIndex",
    "math.isclose",
]
OURS = ["segtrain.data.source.DataSet", "segtrain.noise.NoiseStrategy", "segtrain.types.one_hot"]


@pytest.mark.parametrize("target", THIRD_PARTY + OURS)
@pytest.mark.filterwarnings("ignore")  # imports of third parties, which the static reading avoids
def test_static_signature_is_the_one_python_gives(target: str) -> None:
    path, _, name = target.rpartition(".")
    made = getattr(importlib.import_module(path), name)
    parameters = inspect.signature(made).parameters.values()
    named = [
        item
        for item in parameters
        if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY, item.POSITIONAL_ONLY)
    ]
    read = signature(target)
    assert {item.name: item.required for item in read.parameters.values()} == {
        item.name: item.default is item.empty for item in named
    }
    assert read.takes_any == any(item.kind is item.VAR_KEYWORD for item in parameters)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that would fail on import, with every way of getting at a name."""
    name = f"unimportable_{tmp_path.name.replace('-', '_')}"
    root = tmp_path / name
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text(
        "from .inner import Reexported as Renamed, factory\nfrom .stars import *\nfrom .inner.base import Mode\n"
        "from shutil import rmtree\nfrom os import system\nimport json\nraise RuntimeError('imported')\n"
    )
    (root / "stars.py").write_text("from .inner.base import Child\nAlias = Child\n")
    (root / "inner" / "__init__.py").write_text(
        "try:\n    from .base import Reexported\nexcept ImportError:\n    Reexported = None\n"
        "from .base import factory\n"
    )
    (root / "inner" / "base.py").write_text(
        "import typing\n"
        "from dataclasses import KW_ONLY, dataclass, field\n"
        "from pathlib import Path\n"
        "from typing import ClassVar, Literal, Optional, Sequence, TypeVar, Union\n"
        "Mode = Literal['fast', 'slow']\n"
        "T = TypeVar('T')\n"
        "class Reexported:\n"
        "    def __init__(self, width, *, mode: Mode = 'fast', size: 'int | None' = None, scale: float = 1.0,\n"
        "                 names: list[str] = (), deep: dict[str, int] = {}, other: T = None, home: Path = '.',\n"
        "                 part: Optional['Child'] = None, both: Union[int, Sequence[float]] = 1, on: bool = True):\n"
        "        pass\n"
        "class Inherits(Reexported):\n    pass\n"
        "@dataclass(kw_only=True)\n"
        "class Base:\n    classes: list[str]\n    size: int = 256\n    shared: ClassVar[int] = 3\n"
        "@dataclass\n"
        "class Child(Base):\n    _: KW_ONLY\n    root: str\n    size: int = 128\n"
        "    seen: list[int] = field(default_factory=list)\n    hidden: int = field(init=False, default=0)\n"
        "def factory(a: int, /, b: int, *rest: int, c: int = 3, **more: int) -> None:\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def _required(target: str) -> dict[str, bool]:
    return {item.name: item.required for item in signature(target).parameters.values()}


def test_reexports_and_stars_are_followed_without_an_import(package: str) -> None:
    home = f"{package}.inner.base"
    assert signature(f"{package}.Renamed").home == f"{home}.Reexported"
    assert signature(f"{package}.Alias").home == f"{home}.Child"
    assert signature(f"{package}.inner.factory").home == f"{home}.factory"
    assert package not in sys.modules


def test_dataclass_fields_are_inherited(package: str) -> None:
    assert _required(f"{package}.Child") == {"classes": True, "size": False, "root": True, "seen": False}


def test_a_class_without_init_takes_what_its_base_takes(package: str) -> None:
    assert _required(f"{package}.inner.base.Inherits") == _required(f"{package}.Renamed")


def test_function_with_var_keywords(package: str) -> None:
    read = signature(f"{package}.factory")
    assert read.takes_any
    assert _required(f"{package}.factory") == {"a": True, "b": True, "c": False}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("width", ["anything", 1, None, {"a": 1}], []),
        ("mode", ["fast", "slow"], ["fats", None, 1]),
        ("size", [3, None], ["3", 3.0, True]),
        ("scale", [1, 1.5, float("inf")], ["abc", True, None, [1.0]]),
        ("names", [["a"], []], ["a", [1], None]),
        ("deep", [{"a": 1}, {}], [{"a": "b"}, [1], 3]),
        ("other", ["anything", 3], []),
        ("home", ["folder"], [3]),
        ("part", [None, {"_target_": "x"}], ["abc", 3, {"a": 1}]),
        ("both", [1, [1, 2.5]], ["1", ["a"], 1.5]),
        ("on", [True, False], [1, "true", None]),
    ],
)
def test_values_are_held_against_annotations(package: str, name: str, right: list[object], wrong: list[object]) -> None:
    kind = signature(f"{package}.Renamed").parameters[name].kind
    assert [value for value in [*right, GIVEN] if refusal(value, kind)] == []
    assert [value for value in wrong if not refusal(value, kind)] == []


def test_plain_parameters_are_those_a_yaml_can_hold(package: str) -> None:
    plain = [item.name for item in signature(f"{package}.Renamed").parameters.values() if item.plain]
    assert plain == ["mode", "size", "scale", "names", "deep", "home", "both", "on"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("{}.Renamd", "there is no {}.Renamd, did you mean 'Renamed'?"),
        ("{}.iner.factory", "there is no {}.iner, did you mean 'inner'?"),
        ("{}.system", "there is no {}.system"),  # frozen into Python: no source
        ("{}.json.dumps", "there is no {}.json"),
        ("{}.json", "{}.json is neither a class nor a function"),
        ("{}.Mode", "{}.Mode is neither a class nor a function"),
        ("nowhere.Thing", "there is no nowhere"),
        ("Thing", "there is no Thing"),
        ("__main__.Thing", "there is no __main__"),
        ("..Thing", "there is no "),
    ],
)
def test_unknown_targets_say_what_was_meant(package: str, target: str, says: str) -> None:
    with pytest.raises(UnknownTargetError) as caught:
        signature(target.format(package))
    assert str(caught.value) == says.format(package)


def test_a_name_of_another_package_tells_its_home(package: str) -> None:
    assert signature(f"{package}.rmtree").home == "shutil.rmtree"


def test_a_module_without_source_is_imported_and_asked() -> None:
    read = signature("_heapq.heappush")
    assert read.parameters == {}  # it takes by position only
    with pytest.raises(UnknownTargetError, match=r"no _heapq\.heappsh"):
        signature("_heapq.heappsh")


def test_neither_torch_nor_lightning_is_imported() -> None:
    script = (
        "import sys; from segtrain.config import signature\n"
        f"for target in {THIRD_PARTY + OURS!r}: signature(target)\n"
        "print({'torch', 'pytorch_lightning', 'albumentations', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
