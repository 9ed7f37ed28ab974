"""List what can be chosen: python scripts/configs.py [group]."""

from segtrain.cli import configs

if __name__ == "__main__":
    configs()
