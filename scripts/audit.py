"""Find the labels that are probably wrong: python scripts/audit.py run=outputs/train/<run>."""

from segtrain.cli import audit

if __name__ == "__main__":
    audit()
