"""python -m segtrain: the same as the console command."""

from segtrain.cli import main

if __name__ == "__main__":
    main()
