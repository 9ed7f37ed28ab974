"""benchmark cuts, small."""

import pytest

from segtrain.config import compose_config
from segtrain.run.benchmark import benchmark


def test_tables_of_a_small_picture():
    pytest.importorskip("maxflow", reason="PyMaxflow is an extra under the GPL")
    overrides = ["size=64", "smoothness=[2]", "regions=[60]", "rounds=1"]
    text = benchmark(compose_config("benchmark_cuts", overrides))
    assert "Minimum cut, 4,096 pixels, 8,064 ties" in text
    assert "| min_cut " in text
    assert "| normalized_cut " in text
    assert "takes away" in text
