"""What many tests need: a small batch, a few samples, the place of the real data."""

import os
from pathlib import Path

import pytest
import torch

from segtrain.types import Batch, Samples, one_hot

ROOT = Path(__file__).parent.parent


@pytest.fixture
def samples() -> Samples:
    """Eight samples, each drawn by three annotators too; number 1 is clean."""
    clean = torch.zeros(8, dtype=torch.bool)
    clean[1] = True
    unknown = torch.full((8,), -1)
    return Samples(clean, torch.ones(8, dtype=torch.bool), unknown, unknown, torch.full((8,), 3))


@pytest.fixture
def batch() -> Batch:
    """Two images of three classes, one of them clean."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (2, 16, 16), generator=generator, dtype=torch.uint8)
    image = torch.rand(2, 1, 16, 16, generator=generator)
    number = torch.arange(2)
    clean = torch.tensor([True, False])
    labelled = torch.ones(2, dtype=torch.bool)
    return Batch(image, one_hot(label, 3), torch.ones(2, 16, 16), clean, labelled, number - 2, number, number)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, where there is one."""
    folder = Path(os.environ.get("SEGTRAIN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set SEGTRAIN_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the checkout."""
    monkeypatch.chdir(tmp_path)
