"""The fair evaluation of a bank, or of any folder of outputs.

Outputs are measured beside baselines that cost nothing (the photograph, the painting) and one that costs much: the
optimisation of the picture itself, by L-BFGS on the same objective (`optimisation`). From its course follows how many
iterations one forward pass is worth (`worth`).
"""

from stylebank.evaluate.clock import Clock
from stylebank.evaluate.evaluation import Design, Evaluation
from stylebank.evaluate.fidelity import Fidelity
from stylebank.evaluate.painters import BankPainter, FolderPainter, Painter
from stylebank.evaluate.result import Result
from stylebank.evaluate.styles import Style, load_styles, settings_of
from stylebank.evaluate.write import write_report

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
