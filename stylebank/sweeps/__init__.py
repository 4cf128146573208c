"""A study: what each parameter of the configuration does, seen by training a small bank for every combination.

The runs are ordinary training runs, one after the other, each in a folder of its own. This package is a job above that
job (`study`): the grid of runs (`grid`), training them (`run`), what is known of them (`record`), and how it is shown
(`table`, `picture`, `log`).
"""

from stylebank.sweeps.grid import Cell, make_grid
from stylebank.sweeps.picture import PICTURE
from stylebank.sweeps.record import JSON, Study
from stylebank.sweeps.study import StudyRequest, StudyResult, carry_out
from stylebank.sweeps.table import TABLE

__all__ = ["JSON", "PICTURE", "TABLE", "Cell", "Study", "StudyRequest", "StudyResult", "carry_out", "make_grid"]
