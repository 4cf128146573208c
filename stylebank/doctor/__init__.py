"""Whether a machine and what is installed on it can do what StyleBank does: looked at, or tried by real work."""
