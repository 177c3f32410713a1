"""serkit: speech emotion recognition that fits the edge."""

__version__ = "0.1.0"
