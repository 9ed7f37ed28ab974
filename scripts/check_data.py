"""Look at every image and mask of a data set: python scripts/check_data.py data=folder data.root=my_data."""

from segtrain.cli import check_data

if __name__ == "__main__":
    check_data()
