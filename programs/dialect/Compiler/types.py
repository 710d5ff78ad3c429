"""All types, under the name by which programs import them."""

from Compiler.registers import *  # noqa: F401,F403
from Compiler.registers import Public, Register, Secret, cint, regint, sint  # noqa: F401
from Compiler.containers import Array, Matrix, MemValue, MultiArray, SubMultiArray, VectorArray  # noqa: F401
from Compiler.fixed import cfix, sfix  # noqa: F401
from Compiler.gf2n import cgf2n, sgf2n  # noqa: F401
from Compiler.floats import sfloat, cfloat  # noqa: F401
from Compiler.parties import personal  # noqa: F401

from Compiler.quantized import squant, squant_params  # noqa: F401
from Compiler.records import getNamedTupleType  # noqa: F401
from Compiler.GC.bit_fixed import cbitfix, sbitfix, sbitfixvec  # noqa: F401
from Compiler.GC.types import cbits, sbit, sbitint, sbitintvec, sbits, sbitvec  # noqa: F401

MemArray = Array
_int = int
_register, _secret, _clear = Register, Secret, Public
