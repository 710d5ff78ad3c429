"""Python's `random` for compile time: always the same numbers, so that compiling is deterministic.

SplitMix64 (Steele, Lea and Flood, 2014). Not for anything secret: a program's run-time randomness comes from its types.
"""

import math as _math

_MASK = (1 << 64) - 1


class Random:
    """A generator of its own."""

    def __init__(self, seed=None):
        self.seed(seed)

    def seed(self, a=None, version=2):
        if a is None:
            a = 0
        if not isinstance(a, int):
            text, a = str(a), 0
            for c in text:
                a = (a * 1000003 + ord(c)) & _MASK
        self._state = a & _MASK

    def getstate(self):
        return self._state

    def setstate(self, state):
        self._state = state

    def _word(self):
        self._state = z = (self._state + 0x9e3779b97f4a7c15) & _MASK
        z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & _MASK
        return z ^ (z >> 31)

    def getrandbits(self, k):
        value, have = 0, 0
        while have < k:
            value |= self._word() << have
            have += 64
        return value & ((1 << k) - 1)

    def random(self):
        return (self._word() >> 11) / 9007199254740992.0

    def _below(self, n):
        if n <= 0:
            raise ValueError('empty range for a random number')
        k = n.bit_length()
        while True:
            value = self.getrandbits(k)
            if value < n:
                return value

    def randrange(self, start, stop=None, step=1):
        if stop is None:
            start, stop = 0, start
        if step == 0:
            raise ValueError('zero step for randrange()')
        # the length of a range has to fit into a machine word, these numbers have not
        count = (stop - start + step - (1 if step > 0 else -1)) // step
        if count <= 0:
            raise ValueError('empty range for randrange()')
        return start + step * self._below(count)

    def randint(self, a, b):
        return self.randrange(a, b + 1)

    def choice(self, values):
        return values[self._below(len(values))]

    def choices(self, population, weights=None, cum_weights=None, k=1):
        if weights is None and cum_weights is None:
            return [self.choice(population) for _ in range(k)]
        if cum_weights is None:
            total, cum_weights = 0, []
            for w in weights:
                total += w
                cum_weights.append(total)
        result = []
        for _ in range(k):
            x = self.random() * cum_weights[-1]
            result.append(next(p for p, c in zip(population, cum_weights) if x < c))
        return result

    def shuffle(self, values):
        for i in range(len(values) - 1, 0, -1):
            j = self._below(i + 1)
            values[i], values[j] = values[j], values[i]

    def sample(self, population, k):
        values = list(population)
        if not 0 <= k <= len(values):
            raise ValueError('sample larger than population or negative')
        self.shuffle(values)
        return values[:k]

    def uniform(self, a, b):
        return a + (b - a) * self.random()

    def gauss(self, mu=0.0, sigma=1.0):
        u = 1.0 - self.random()
        return mu + sigma * _math.sqrt(-2 * _math.log(u)) * _math.cos(2 * _math.pi * self.random())

    normalvariate = gauss

    def expovariate(self, rate=1.0):
        return -_math.log(1.0 - self.random()) / rate

    def randbytes(self, n):
        return self.getrandbits(8 * n).to_bytes(n, 'little')


class SystemRandom(Random):
    """There is no system here: the same as Random."""


_shared = Random()
seed = _shared.seed
getstate = _shared.getstate
setstate = _shared.setstate
getrandbits = _shared.getrandbits
random = _shared.random
randrange = _shared.randrange
randint = _shared.randint
choice = _shared.choice
choices = _shared.choices
shuffle = _shared.shuffle
sample = _shared.sample
uniform = _shared.uniform
gauss = _shared.gauss
normalvariate = _shared.normalvariate
expovariate = _shared.expovariate
randbytes = _shared.randbytes
