"""A bank on disk: its records, reading and writing it, and working on its files."""
