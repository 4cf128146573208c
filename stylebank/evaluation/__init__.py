"""The fair evaluation of a bank, or of any folder of outputs; the front door is `run.evaluate`.

Outputs are measured beside baselines that cost nothing (the photograph, the painting) and one that costs much: the
optimisation of the picture itself, by L-BFGS on the same objective (`lbfgs_baseline`). From its course follows how many
iterations one forward pass is worth (`equivalent_iterations`).
"""
