"""Positions in sorted lists."""


def bisect_left(items, x, lo=0, hi=None, key=None):
    hi = len(items) if hi is None else hi
    while lo < hi:
        middle = (lo + hi) // 2
        value = items[middle] if key is None else key(items[middle])
        if value < x:
            lo = middle + 1
        else:
            hi = middle
    return lo


def bisect_right(items, x, lo=0, hi=None, key=None):
    hi = len(items) if hi is None else hi
    while lo < hi:
        middle = (lo + hi) // 2
        value = items[middle] if key is None else key(items[middle])
        if x < value:
            hi = middle
        else:
            lo = middle + 1
    return lo


bisect = bisect_right


def insort_right(items, x, lo=0, hi=None, key=None):
    items.insert(bisect_right(items, x if key is None else key(x), lo, hi, key), x)


insort = insort_right


def insort_left(items, x, lo=0, hi=None, key=None):
    items.insert(bisect_left(items, x if key is None else key(x), lo, hi, key), x)
