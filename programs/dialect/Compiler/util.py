"""Helpers that programs import as `util`."""

import itertools

from Compiler.control import tree_reduce  # noqa: F401
from Compiler.registers import Register, cint, plain, regint, sint

def format_trace(trace, prefix='  '):
    return str(trace)


def is_constant(value):
    return isinstance(value, (int, float, bool))


def is_constant_float(value):
    return isinstance(value, float) or is_constant(value)


def is_zero(value):
    return isinstance(value, (int, float)) and value == 0


def is_one(value):
    return isinstance(value, (int, float)) and value == 1


def is_all_ones(value, n):
    return isinstance(value, int) and value == (1 << n) - 1


def long_one(_value=None):
    return 1


def greater_than(a, b, bits=None):
    return a > b if is_constant(a) else a.greater_than(b, bits)


def less_than(a, b, bits=None):
    return a < b if is_constant(a) else a.less_than(b, bits)


def pow2_value(a, bit_length=None, security=None):
    return 2 ** a if is_constant(a) else a.pow2(bit_length)


def mod2m(a, b, bits=None, signed=None):
    if is_constant(a):
        return a % (1 << b)
    return a.mod2m(b, bits, signed=signed)


def right_shift(a, b, bits=None):
    return a >> b if is_constant(a) else a.right_shift(b, bits)


def bit_decompose(a, bits=None):
    if is_constant(a):
        return [int((a >> i) & 1) for i in range(bits or a.bit_length())]
    return a.bit_decompose(bits)


def bit_compose(bits):
    bits = list(bits)
    total = bits[0]
    for i, b in enumerate(bits[1:]):
        total = total + b * (1 << (i + 1))
    return total


def series(a):
    total = 0
    for i in a:
        yield total
        total = total + i
    yield total


def if_else(condition, a, b):
    if is_constant(condition) or isinstance(condition, bool):
        return a if condition else b
    return condition.if_else(a, b)


def cond_swap(condition, a, b):
    if is_constant(condition):
        return (b, a) if condition else (a, b)
    return condition.cond_swap(a, b)


def pow2(x):
    return 1 << x


def mul(a, b):
    return a * b


def add(a, b):
    return a + b


def log2(x):
    return (x - 1).bit_length() if x > 1 else 0


def round_to_int(x):
    return int(round(x)) if is_constant_float(x) else x.round()


def max(*args):
    values = args[0] if len(args) == 1 else args
    return tree_reduce(lambda a, b: if_else(a > b, a, b), values)


def min(*args):
    values = args[0] if len(args) == 1 else args
    return tree_reduce(lambda a, b: if_else(a < b, a, b), values)


def or_op(a, b):
    return a + b - a * b


def and_op(a, b):
    return a * b


def xor_op(a, b):
    return a + b - 2 * a * b


def OR(a, b):
    return a | b


def tuple_lift(f):
    def lifted(*args):
        if isinstance(args[0], (list, tuple)):
            return tuple(lifted(*x) for x in zip(*args))
        return f(*args)
    return lifted


def untuplify(args):
    while isinstance(args, (list, tuple)) and len(args) == 1:
        args = args[0]
    return args


def tuplify(args):
    return args if isinstance(args, tuple) else (args,)


def reveal(value):
    return value.reveal() if hasattr(value, 'reveal') else value


def reveal_list(values):
    return [reveal(v) for v in values]


def expand(value, size):
    value = plain(value)
    return value.expand_to_vector(size) if isinstance(value, Register) else value


def expand_to_vector(value, size):
    return expand(value, size)


def dict_by_id():
    return {}


def mem_size(value):
    return value.mem_size()
