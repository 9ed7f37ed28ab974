"""Mend wrong labels: python scripts/correct.py run=outputs/train/<run> decisions=decisions.json."""

from segtrain.cli import correct

if __name__ == "__main__":
    correct()
