"""A bank applied to pictures: styles mixed, masked and tiled, colours kept, strokes widened."""
