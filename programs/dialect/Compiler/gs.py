"""Stable matching by Gale and Shapley's algorithm, without showing who prefers whom or when who proposes."""

from Compiler import comparison
from Compiler.containers import Array, Matrix
from Compiler.control import for_range
from Compiler.oram import OptimalORAM
from Compiler.registers import plain, sint


class Matchmaker:
    """N proposers and M others. `m_prefs[i][j]` is the number of the one that proposer i likes j-th best, `f_ranks[j][i]`
    the place that proposer i has with j, the least being the best. After `match()`, `wives[i]` and `husbands[j]` say who
    is whose; N and M stand for nobody."""

    def __init__(self, N, M=None, reverse=False, oram_type=OptimalORAM, int_type=sint):
        self.N, self.M = N, N if M is None else M
        self.reverse = reverse
        self.m_prefs, self.f_ranks = Matrix(self.N, self.M, sint), Matrix(self.M, self.N, sint)
        self.wives, self.husbands = Array(self.N, sint), Array(self.M, sint)

    def init_easy(self):
        """Preferences without conflicts: everybody likes the next numbers best."""
        for i in range(self.N):
            for j in range(self.M):
                self.m_prefs[i][j] = (i + j) % self.M
                self.f_ranks[j][i] = (i + j) % self.N

    def init_hard(self):
        """Preferences for which nearly all proposals are refused: all agree on whom they like."""
        for i in range(self.N):
            for j in range(self.M):
                self.m_prefs[i][j] = j
                self.f_ranks[j][i] = self.N - 1 - i

    def match(self, n_loops=None):
        """Lets proposers propose, one in each of so many rounds; by default as many as there can ever be."""
        n, m = self.N, self.M
        self.wives.assign_all(m)
        self.husbands.assign_all(n)
        tried = Array(n, sint)
        tried.assign_all(0)
        waiting = Array(n, sint)
        waiting.assign_all(1)

        @for_range(n_loops or n * m)
        def _(_round):
            free, pick = sint(1), []
            for i in range(n):
                first = free * waiting[i]
                pick.append(first)
                free = free - first
            man = sint(pick)
            at = units((man * tried.get_vector()).sum(), m)
            choices = sum((self.m_prefs[i].get_vector() * pick[i] for i in range(1, n)), self.m_prefs[0].get_vector() * pick[0])
            woman = units((at * choices).sum(), m)
            # nobody is left who waits and has not asked all: nothing changes then
            active = man.sum()
            woman = woman * active
            ranks = sum((self.f_ranks[j].get_vector() * woman[j] for j in range(1, m)), self.f_ranks[0].get_vector() * woman[0])
            husband = units((woman * self.husbands.get_vector()).sum(), n + 1)
            single = husband[n]
            old_rank = (husband.get_vector(0, n) * ranks).sum()
            new_rank = (man * ranks).sum()
            accepted = single.bit_or(new_rank < old_rank) * active
            number, other = sint(list(range(n))), sint(list(range(m)))
            changed = woman * accepted
            old = husband.get_vector(0, n) * accepted * active
            self.husbands.assign_vector(self.husbands.get_vector() + changed * ((man * number).sum() - self.husbands.get_vector()))
            wives = self.wives.get_vector()
            wives = wives + old * (m - wives)
            self.wives.assign_vector(wives + man * accepted * ((woman * other).sum() - wives))
            tried.assign_vector(tried.get_vector() + man)
            left = waiting.get_vector() - man * accepted + old
            # who has asked everybody stops
            self_done = tried.get_vector() == m
            waiting.assign_vector(left * (1 - self_done))
        return self.wives, self.husbands

    def print_result(self):
        from Compiler.printing import print_ln
        for i in range(self.N):
            print_ln('%s -> %s', i, self.wives[i].reveal())


def units(index, n):
    """A vector of n bits, the one at the index being one; all are zero where it lies outside."""
    if n == 1:
        return sint([1 - (sint.conv(index) != 0)])
    bits = comparison.bits(sint.conv(plain(index)), comparison.exponent_length(n))
    return sint(comparison.one_hot(bits)[:n])

