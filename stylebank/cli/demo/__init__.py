"""The command `demo`: what the program does, one part after the other, on sample pictures."""
