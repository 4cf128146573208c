"""The network of the paper: encoder, bank of filters, decoder; and the same rebuilt for inference."""
