"""Train a model: python train.py model=unet loss=dice noise=curriculum."""

from segtrain.cli import train

if __name__ == "__main__":
    train()
