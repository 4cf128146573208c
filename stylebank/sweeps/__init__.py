"""A study: what each parameter of the configuration does, seen by training a small bank for every combination.

The runs are ordinary training runs (`trainer`), one after the other, each in a folder of its own. This package is a
job above that job: the grid of runs (`grid`), training them (`run`), what is known of them (`record`), and how it is
shown (`table`, `picture`, `log`).
"""

from stylebank.sweeps.grid import Cell, make_grid
from stylebank.sweeps.picture import PICTURE, draw_grid
from stylebank.sweeps.record import JSON, Study
from stylebank.sweeps.run import check, run_study
from stylebank.sweeps.table import TABLE, markdown, write_table

__all__ = [
    "JSON",
    "PICTURE",
    "TABLE",
    "Cell",
    "Study",
    "check",
    "draw_grid",
    "make_grid",
    "markdown",
    "run_study",
    "write_table",
]
