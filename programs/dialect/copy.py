"""Copies of Python objects; run-time values are handles and stay the same ones."""


class Error(Exception):
    """What cannot be copied."""


error = Error
ATOMIC = (type(None), bool, int, float, complex, str, bytes, type, range, slice, type(len), type(lambda: 0))


def copy(x):
    """A new object with the same parts."""
    if isinstance(x, ATOMIC) or hasattr(x, 'is_register'):
        return x
    own = getattr(type(x), '__copy__', None)
    if own is not None:
        return own(x)
    if isinstance(x, (list, set, dict, bytearray)) and type(x) in (list, set, dict, bytearray):
        return type(x)(x)
    if isinstance(x, (tuple, frozenset)):
        return x
    return _rebuilt(x, lambda value: value)


def deepcopy(x, memo=None):
    """A new object with copies of all parts."""
    memo = {} if memo is None else memo
    if isinstance(x, ATOMIC) or hasattr(x, 'is_register'):
        return x
    if id(x) in memo:
        return memo[id(x)]
    own = getattr(type(x), '__deepcopy__', None)
    if own is not None:
        result = memo[id(x)] = own(x, memo)
        return result
    if type(x) is list:
        result = memo[id(x)] = []
        result.extend(deepcopy(y, memo) for y in x)
        return result
    if type(x) is dict:
        result = memo[id(x)] = {}
        for key, value in x.items():
            result[deepcopy(key, memo)] = deepcopy(value, memo)
        return result
    if type(x) in (tuple, set, frozenset):
        result = memo[id(x)] = type(x)(deepcopy(y, memo) for y in x)
        return result
    return _rebuilt(x, lambda value: deepcopy(value, memo), memo)


def _rebuilt(x, part, memo=None):
    result = type(x).__new__(type(x))
    if memo is not None:
        memo[id(x)] = result
    if isinstance(x, list):
        list.extend(result, [part(y) for y in x])
    elif isinstance(x, dict):
        for key, value in x.items():
            dict.__setitem__(result, key, part(value))
    for name, value in getattr(x, '__dict__', {}).items():
        result.__dict__[name] = part(value)
    return result
