"""Compare finished runs: python scripts/compare.py outputs/train --by noise --scores test/dice test/dice@clean"""

from segtrain.cli import compare

if __name__ == "__main__":
    compare()
