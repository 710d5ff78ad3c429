"""Averages and spreads of numbers that are known while a program is compiled."""

import math


class StatisticsError(ValueError):
    """Too few numbers."""


def _listed(data, least=1):
    data = list(data)
    if len(data) < least:
        raise StatisticsError('at least %d numbers are needed' % least)
    return data


def mean(data):
    data = _listed(data)
    total = sum(data)
    return total // len(data) if isinstance(total, int) and total % len(data) == 0 else total / len(data)


def fmean(data):
    data = _listed(data)
    return sum(float(x) for x in data) / len(data)


def geometric_mean(data):
    return math.exp(fmean(math.log(x) for x in data))


def harmonic_mean(data):
    data = _listed(data)
    return len(data) / sum(1 / x for x in data)


def median(data):
    data = sorted(_listed(data))
    half = len(data) // 2
    return data[half] if len(data) % 2 else (data[half - 1] + data[half]) / 2


def median_low(data):
    data = sorted(_listed(data))
    return data[(len(data) - 1) // 2]


def median_high(data):
    data = sorted(_listed(data))
    return data[len(data) // 2]


def multimode(data):
    counts = {}
    for x in data:
        counts[x] = counts.get(x, 0) + 1
    most = max(counts.values(), default=0)
    return [x for x, count in counts.items() if count == most]


def mode(data):
    return multimode(_listed(data))[0]


def _squares(data, center):
    center = mean(data) if center is None else center
    return sum((x - center) ** 2 for x in data)


def pvariance(data, mu=None):
    data = _listed(data)
    return _squares(data, mu) / len(data)


def variance(data, xbar=None):
    data = _listed(data, 2)
    return _squares(data, xbar) / (len(data) - 1)


def pstdev(data, mu=None):
    return math.sqrt(pvariance(data, mu))


def stdev(data, xbar=None):
    return math.sqrt(variance(data, xbar))
