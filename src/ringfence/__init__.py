"""Ringfence keeps customers' money apart from the platform's, proves every day that all of it is there, and stops it
from leaving wrongly.

The story of the whole is ARCHITECTURE.md; each package opens with its own.
"""

__version__ = "0.1.0"
