"""`python -m stylebank` is the command `stylebank`."""

import sys

from stylebank.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="stylebank"))
