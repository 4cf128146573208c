"""A study: what each parameter of the configuration does, seen by training a small bank for every combination.

The runs are ordinary training runs, one after the other, each in a folder of its own. This package is a job above that
job (`study`): the grid of runs (`grid`), training them (`run`), what is known of them (`record`), and how it is shown
(`table`, `picture`, `log`).
"""

from typing import TYPE_CHECKING

from stylebank.late import late
from stylebank.sweeps.names import JSON, PICTURE, TABLE

if TYPE_CHECKING:
    from stylebank.sweeps.grid import Cell, make_grid
    from stylebank.sweeps.record import Study
    from stylebank.sweeps.study import StudyRequest, StudyResult, carry_out

__all__ = ["JSON", "PICTURE", "TABLE", "Cell", "Study", "StudyRequest", "StudyResult", "carry_out", "make_grid"]

__getattr__ = late(
    __name__,
    {
        "Cell": "stylebank.sweeps.grid",
        "Study": "stylebank.sweeps.record",
        "StudyRequest": "stylebank.sweeps.study",
        "StudyResult": "stylebank.sweeps.study",
        "carry_out": "stylebank.sweeps.study",
        "make_grid": "stylebank.sweeps.grid",
    },
)
