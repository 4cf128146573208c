"""Stylizes pictures with a bank: `python infer.py --help`."""

import sys

from stylebank.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="infer.py"))
