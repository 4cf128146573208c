"""Training: what is trained, the loop, and the run's folder."""
