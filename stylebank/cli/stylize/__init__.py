"""Stylize pictures and films: the options, which file becomes which, and the work on each kind."""
