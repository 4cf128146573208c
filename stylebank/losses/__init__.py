"""What training minimises: the loss network, the formulas, and the terms put together."""
