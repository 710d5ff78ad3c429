"""ORAMs under the names of their constructions: see `oram`."""

from Compiler.oram import *  # noqa: F401,F403
