"""Samples -> frames -> functionals, in NumPy alone."""
