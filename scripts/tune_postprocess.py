"""Choose post-processing on the validation split: python scripts/tune_postprocess.py run=outputs/train/<run>."""

from segtrain.cli import tune_postprocess

if __name__ == "__main__":
    tune_postprocess()
