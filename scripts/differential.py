#!/usr/bin/env python3
"""Random programs in the dialect against the same programs in plain Python: differential.py VCP COUNT [SEED]

Every program has variables of several types, arrays and vectors, which nested loops, branches and functions rebind; it
prints what each holds at its end beside what plain Python computes on exact numbers. COUNT programs run, some in one
file, with the options '', -B 64, -X and -Y in turn; the first file that differs is kept and named. The long form is
10,000 programs. `differential.py --write FOLDER` writes the short form, which the suite runs.
"""
import pathlib
import random
import subprocess
import sys
import tempfile

OPTIONS = '', '-B 64', '-X', '-Y'
PER_FILE = 20
LIMIT = 1 << 24


class TooLarge(Exception):
    """A program whose numbers grow beyond what its types are for."""


def checked(x, limit=LIMIT):
    for y in x if isinstance(x, list) else [x]:
        if abs(y) > limit:
            raise TooLarge
    return x


class Vector(list):
    """Element-wise arithmetic, as vectors of the dialect have."""

    def _with(self, other, f):
        other = other if isinstance(other, list) else [other] * len(self)
        return Vector(f(a, b) for a, b in zip(self, other))

    def __add__(self, other):
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)


def select(condition, a, b):
    return a if condition else b


class Writer:
    """One program as two texts of the same shape."""

    def __init__(self, rng, number, binary):
        self.rng, self.binary = rng, binary
        self.local = rng.random() < 0.4
        self.kinds = {}
        self.name = 'p%d' % number
        self.dialect, self.plain = [], []
        self.loops = 0
        self.indent = 1 if self.local else 0
        if self.local:
            self.line('def %s():' % self.name, None, -1)
        self.declare()
        for _ in range(rng.randint(2, 4)):
            self.statement(3, [])
        self.results = ['%s_%s' % (self.name, v) for v in self.kinds]

    def line(self, dialect, plain='', shift=0):
        at = '    ' * (self.indent + shift)
        if dialect is not None:
            self.dialect.append(at + dialect)
        if plain is not None:
            self.plain.append('    ' * (self.indent + shift - self.local) + (plain or dialect))

    def full(self, name):
        return '%s_%s' % (self.name, name)

    def declare(self):
        rng = self.rng
        kinds = ['sint', 'sint', 'regint', 'int', 'sfix', 'vector', 'array', 'bits']
        kinds += [] if self.binary else ['cint', 'cint']
        for i in range(rng.randint(3, 6)):
            kind = rng.choice(kinds)
            name = '%s%d' % (kind, i)
            full = self.full(name)
            self.kinds[name] = kind
            value = rng.randint(-9, 9)
            if kind in ('sint', 'cint', 'regint'):
                self.line('%s = %s(%d)' % (full, kind, value), '%s = %d' % (full, value))
            elif kind == 'int':
                self.line('%s = %d' % (full, value))
            elif kind == 'sfix':
                self.line('%s = sfix(%r)' % (full, value / 4), '%s = %r' % (full, value / 4))
            elif kind == 'bits':
                self.line('%s = sbits.get_type(8)(%d)' % (full, abs(value)), '%s = %d' % (full, abs(value)))
            else:
                values = [rng.randint(-9, 9) for _ in range(4)]
                if kind == 'vector':
                    self.line('%s = sint(%r)' % (full, values), '%s = Vector(%r)' % (full, values))
                else:
                    self.line('%s = sint.Array(4)' % full, None)
                    self.line('%s.assign(%r)' % (full, values), '%s = %r' % (full, values))

    def some(self, *kinds):
        names = [n for n, k in self.kinds.items() if k in kinds]
        return self.full(self.rng.choice(names)) if names else None

    # -- expressions: (dialect, plain)

    def public(self, indices, depth=2):
        """A public integer."""
        rng = self.rng
        name = self.some('regint', 'int')
        choices = [(str(c),) * 2 for c in [rng.randint(-5, 5)]] + [(i, i) for i in indices]
        if name:
            choices += [(name, name)] * 2
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(choices)
        a, b = self.public(indices, depth - 1), self.public(indices, depth - 1)
        op = rng.choice('+-*')
        return tuple('(%s %s %s)' % (x, op, y) for x, y in zip(a, b))

    def field(self, indices, depth=2):
        """A public field element."""
        name = self.some('cint')
        if depth == 0 or self.rng.random() < 0.3:
            return name, name
        a = self.field(indices, depth - 1)
        b = self.rng.choice([self.field, self.public])(indices, depth - 1)
        op = self.rng.choice('+-*')
        return tuple('(%s %s %s)' % (x, op, y) for x, y in zip(a, b))

    def secret(self, indices, depth=2):
        rng = self.rng
        name = self.some('sint')
        if depth == 0 or rng.random() < 0.2:
            array = self.some('array')
            vector = self.some('vector')
            choices = [(name, name)] if name else []
            if array:
                index = rng.choice([str(rng.randint(0, 3))] + indices)
                index = ('%s' if index.isdigit() else '(%s) %% 4') % index
                choices.append(('%s[%s]' % (array, index),) * 2)
            if vector:
                choices.append(('%s[%d]' % (vector, 2),) * 2)
                choices.append(('%s.sum()' % vector, 'sum(%s)' % vector))
            return rng.choice(choices or [('sint(3)', '3')])
        a = self.secret(indices, depth - 1)
        way = rng.randint(0, 8)
        if way < 4:
            b = rng.choice([self.secret, self.public])(indices, depth - 1)
            op = rng.choice('+-*')
            return tuple('(%s %s %s)' % (x, op, y) for x, y in zip(a, b))
        b = self.secret(indices, depth - 1)
        op = rng.choice(['<', '>', '<=', '>=', '==', '!='])
        if way == 4:
            return tuple('(%s %s %s)' % (x, op, y) for x, y in zip(a, b))
        if way == 5:
            c = self.secret(indices, 0)
            return ('(%s %s %s).if_else(%s, %s)' % (a[0], op, b[0], b[0], c[0]),
                    'select(%s %s %s, %s, %s)' % (a[1], op, b[1], b[1], c[1]))
        if way == 6:
            return 'abs(%s)' % a[0], 'abs(%s)' % a[1]
        if way == 7:
            which = rng.choice(['max', 'min'])
            return '%s.%s(%s)' % (a[0], which, b[0]), '%s(%s, %s)' % (which, a[1], b[1])
        divisor = rng.choice([2, 3, 4, 7, 16])
        op = rng.choice(['//', '%'])
        return tuple('(%s %s %d)' % (x, op, divisor) for x in a)

    def condition(self, indices):
        """A public condition."""
        op = self.rng.choice(['<', '>', '<=', '>=', '==', '!='])
        if self.rng.random() < 0.4:
            a, b = self.secret(indices, 1), self.secret(indices, 0)
            return '(%s %s %s).reveal()' % (a[0], op, b[0]), '%s %s %s' % (a[1], op, b[1])
        a, b = self.public(indices, 1), self.public(indices, 1)
        return tuple('(%s %s %s)' % (x, op, y) for x, y in zip(a, b))

    # -- statements

    def assign(self, indices):
        rng = self.rng
        name = rng.choice(list(self.kinds))
        kind, full = self.kinds[name], self.full(name)
        if kind == 'sint':
            value = self.secret(indices)
            value = 'sint(%s)' % value[0] if rng.random() < 0.1 else '(%s) + 0 * %s' % (value[0], full), value[1]
        elif kind in ('regint', 'int'):
            value = self.public(indices)
            value = '(%s) + 0 * %s' % (value[0], full), value[1]
        elif kind == 'cint':
            value = self.field(indices)
        elif kind == 'sfix':
            a = self.public(indices, 1)
            value = rng.choice([('%s + %s' % (full, a[0]), '%s + %s' % (full, a[1])),
                                ('%s * 2 - 0.25' % full,) * 2, ('%s - 1.5' % full,) * 2, ('-%s' % full,) * 2])
        elif kind == 'bits':
            c = rng.randint(0, 255)
            value = rng.choice([('%s ^ %d' % (full, c),) * 2, ('%s & %d' % (full, c),) * 2,
                                ('%s | %d' % (full, c),) * 2])
        elif kind == 'vector':
            op = rng.choice('+-*')
            b = rng.choice([(full, full), self.public(indices, 1)])
            value = tuple('%s %s %s' % (full, op, x) for x in b)
        else:
            index = rng.choice([str(rng.randint(0, 3))] + indices)
            index = ('%s' if index.isdigit() else '(%s) %% 4') % index
            value = self.secret(indices)
            self.line('%s[%s] = %s' % (full, index, value[0]), '%s[%s] = checked(%s)' % (full, index, value[1]))
            return
        limit = ', 4096' if kind == 'sfix' else ''
        self.line('%s = %s' % (full, value[0]), '%s = checked(%s%s)' % (full, value[1], limit))

    def rebinds(self):
        names = [self.full(n) for n, k in self.kinds.items() if k != 'array']
        if names:
            self.line('%s %s' % ('nonlocal' if self.local else 'global', ', '.join(names)), 'pass')

    def block(self, depth, indices, in_loop):
        self.indent += 1
        self.rebinds()
        for _ in range(self.rng.randint(1, 3)):
            self.statement(depth - 1, indices, in_loop)
        self.indent -= 1

    def statement(self, depth, indices, in_loop=False):
        rng = self.rng
        ways = ['assign'] * 3 + (['for', 'opt', 'parallel', 'while', 'do', 'if', 'if_e'] if depth else [])
        if in_loop:
            ways.append('break')
        way = rng.choice(ways)
        if way == 'assign':
            self.assign(indices)
            return
        if way in ('if', 'if_e', 'break'):
            condition = self.condition(indices)
            self.line('@if_e(regint(%s))' % condition[0] if way == 'if_e' else '@if_(regint(%s))' % condition[0],
                      'if %s:' % condition[1])
            self.line('def _():', None)
            if way == 'break':
                self.indent += 1
                self.rebinds()
                if rng.random() < 0.5:
                    self.assign(indices)
                self.line('break_loop()', 'break')
                self.indent -= 1
                return
            self.block(depth, indices, in_loop)
            if way == 'if_e':
                self.line('@else_', 'else:')
                self.line('def _():', None)
                self.block(depth, indices, in_loop)
            return
        self.loops += 1
        index = 'i%d' % self.loops
        if way in ('for', 'opt', 'parallel'):
            n = rng.randint(1, 6)
            bound = 'regint(%d)' % n if rng.random() < 0.2 else str(n)
            start, step = 0, 1
            if way == 'for':
                if rng.random() < 0.4:
                    start, step = rng.randint(-3, 3), rng.choice([-2, -1, 1, 2])
                    n = start + step * n
                    self.line('@for_range(%d, %d, %d)' % (start, n, step), None)
                else:
                    self.line('@for_range(%s)' % bound, None)
            elif way == 'opt':
                self.line('@for_range_opt(%s, budget=%d)' % (bound, rng.choice([1, 300, 10000])), None)
            else:
                self.line('@for_range_parallel(%d, %s)' % (rng.randint(1, 4), bound), None)
            self.line('def _(%s):' % index, 'for %s in range(%d, %d, %d):' % (index, start, n, step))
            indices = indices + ['(%s + 16)' % index if start or step < 0 else index]
            self.block(depth, indices, True)
            if rng.random() < 0.2:
                condition = self.condition(indices)
                self.indent += 1
                self.line('return regint(%s)' % condition[0], 'if not (%s): break' % condition[1])
                self.indent -= 1
            return
        counter = self.full('c%d' % self.loops)
        n = rng.randint(1, 4)
        scope = 'nonlocal' if self.indent else 'global'
        self.line('%s = 0' % counter)
        if way == 'while':
            self.line('@while_do(lambda: %s < %d)' % (counter, n), 'while %s < %d:' % (counter, n))
        else:
            self.line('@do_while', 'while True:')
        self.line('def _():', None)
        self.indent += 1
        self.line('%s %s' % (scope, counter), 'pass')
        self.line('%s += 1' % counter)
        self.indent -= 1
        self.block(depth, indices, True)
        if way == 'do':
            self.indent += 1
            self.line('return %s < %d' % (counter, n), 'if not (%s < %d): break' % (counter, n))
            self.indent -= 1

    def finish(self):
        """Both texts; the dialect's prints what it holds beside what plain Python computes."""
        space = {'Vector': Vector, 'checked': checked, 'select': select}
        exec('\n'.join(self.plain), space)
        for name, kind in self.kinds.items():
            full = self.full(name)
            value = space[full]
            if kind in ('vector', 'array'):
                value = list(map(int, value))
            elif kind == 'sfix':
                value = '%g' % value
            else:
                value = int(value)
            shown = full if kind in ('regint', 'cint', 'int') else full + '.reveal()'
            if kind == 'bits':
                shown = 'regint(%s)' % shown
            if kind == 'vector':
                shown = 'list(%s)' % shown
            self.line("print_ln('%s %%s == %s %s', %s)" % (full, full, value, shown), None)
        if self.local:
            self.line('%s()' % self.name, None, -1)
        return self.dialect


def programs(rng, count, binary):
    lines, number = [], 0
    while number < count:
        seed = rng.getrandbits(48)
        try:
            lines += Writer(random.Random(seed), number, binary).finish()
        except (TooLarge, ZeroDivisionError):
            continue
        number += 1
    return '\n'.join(lines) + '\n'


def same(line):
    got, _, wanted = line.partition(' == ')
    if got == wanted:
        return True
    try:
        (name, a), (_, b) = got.split(' ', 1), wanted.split(' ', 1)
        return abs(float(a) - float(b)) < 1e-3
    except ValueError:
        return False


def main():
    if sys.argv[1] == '--write':
        for option in OPTIONS:
            name = 'random%s.mpc' % option.lower().replace(' ', '').replace('-', '_')
            head = '# Options: %s\n' % option if option else ''
            text = programs(random.Random('short' + option), 1 if '-B' in option else 12, '-B' in option)
            (pathlib.Path(sys.argv[2]) / name).write_text(head + '# Written by scripts/differential.py.\n' + text)
        return
    vcp, count = sys.argv[1], int(sys.argv[2])
    seed = sys.argv[3] if len(sys.argv) > 3 else 'long'
    done = differing = at = 0
    while done < count:
        option = OPTIONS[at % len(OPTIONS)]
        at += 1
        text = programs(random.Random('%s %d' % (seed, at)), PER_FILE, '-B' in option)
        with tempfile.NamedTemporaryFile('w', suffix='.mpc', delete=False) as file:
            file.write(text)
        run = subprocess.run([vcp, 'run', *option.split(), file.name, '-n', '2'], capture_output=True, text=True)
        lines = [line for line in run.stdout.split('\n') if ' == ' in line]
        bad = [line for line in lines if not same(line)]
        done += PER_FILE
        if run.returncode or bad or len(lines) != text.count("print_ln('"):
            differing += 1
            print('%s %s: %s' % (option, file.name, bad[:3] or run.stderr.strip().split('\n')[-6:]))
        else:
            pathlib.Path(file.name).unlink()
    print('%d programs, %d files differ' % (done, differing))
    sys.exit(1 if differing else 0)


main()
