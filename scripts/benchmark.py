"""Measure segtrain against a bare training loop: python scripts/benchmark.py speed."""

from segtrain.cli import benchmark

if __name__ == "__main__":
    benchmark()
