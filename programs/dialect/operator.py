"""Python's `operator`."""

from _operator import *  # noqa: F401,F403
