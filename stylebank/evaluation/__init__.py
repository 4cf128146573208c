"""The fair evaluation of a bank, or of any folder of outputs.

Outputs are measured beside baselines that cost nothing (the photograph, the painting) and one that costs much: the
optimisation of the picture itself, by L-BFGS on the same objective (`optimization`). From its course follows how many
iterations one forward pass is worth (`equivalent`).
"""

from stylebank.evaluation.clock import Clock
from stylebank.evaluation.evaluation import Design, Evaluation
from stylebank.evaluation.fidelity import Fidelity
from stylebank.evaluation.painters import BankPainter, FolderPainter, Painter
from stylebank.evaluation.result import Result
from stylebank.evaluation.targets import Style, load_styles, settings_of
from stylebank.evaluation.write import write_report

__all__ = [
    "BankPainter",
    "Clock",
    "Design",
    "Evaluation",
    "Fidelity",
    "FolderPainter",
    "Painter",
    "Result",
    "Style",
    "load_styles",
    "settings_of",
    "write_report",
]
