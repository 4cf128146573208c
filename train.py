"""Trains a bank, or adds styles to one: `python train.py --help`."""

import sys

from stylebank.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="train.py"))
