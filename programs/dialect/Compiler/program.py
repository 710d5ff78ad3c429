"""The compile-time state of one program, and the record that the optimiser reads.

A program is executed once; its values are handles of virtual registers, and operators append lines to the current
basic block of the current tape. A line is `mnemonic size operand...`; an operand is

    s12      virtual register 12 of bank s (s, c, i, S, C, b, k: sint, cint, regint, sgf2n, cgf2n, sbits, cbits)
    s12+3    its fourth lane
    s12^1    register 12 of tape 1, where another tape calls it
    -5       an integer
    @4       the label 4 (a jump's target)
    @4~2     distance from label 2 to label 4, for computed jumps
    "text    a tag or a text, percent-encoded
    #7       not an operand: the memory allocation that the instruction touches; of a division, that it guards an opening

Registers of another length than one are declared before the tapes: `v s12 40 0` has 40 lanes and belongs to tape 0.
Everything else (dead code, rounds, registers, jumps, the bill of tuples) is left to the optimiser.

Between the instructions stand `block` and `label 4` (a new block), `enter 10` or `enter -1` and `leave` (around a loop
of so many rounds), `body 4` and `leave` (around a function reached by jumps), `calls 4` (it is called here), and
`export s12` (callers read this register at the tape's end). `masked 88 10` says that ten openings tell their secrets but
for 2^-88, `stops 62 10` that ten of them stop the program with probability 2^-62 each. `at 17` names the line of the source that the following
lines come from; it is written only when an error in a record is looked for.

What programs repeat often, such as comparisons, is recorded once as a template before the tapes: `template 3 100 2 70`
and `done` around lines that use the registers 101 to 170, of which the first 2 are parameters. `expand 3 500 s7 s9+1`
stands for those lines with 501 to 570 in their place, and the parameters replaced by s7 and s9+1.
"""

import sys

from Compiler.errors import CompilerError

USER_MEMORY = 8192
PRIME_BITS_MAX = 128
# how many openings a mask is made for, in bits: a record that has more is made again with more room
ROOM = 24
# the same where the prime is not near a power of two: whole masks cost so much that short ones are tried first
ROOM_FAR = 8
# an opening may stop the program with probability 2^-STEADY
STEADY = 48
BANKS = {'s': 's', 'c': 'c', 'i': 'ci', 'S': 'sg', 'C': 'cg', 'b': 'sb', 'k': 'cb'}


class Tape:
    """One sequence of instructions: a list of lines, and what the Python side must know about them."""

    def __init__(self, program, index, name):
        self.program = program
        self.index = index
        self.name = name
        self.lines = []
        self.jumps = 0
        self.loops = []
        self.used_arg = False
        self.function_blocks = {}

    def require_bit_length(self, bits, domain='p'):
        self.program.require_bit_length(bits, domain)

    @property
    def active_basicblock(self):
        return self

    def start_new_basicblock(self, *_args, **_kwargs):
        self.program.new_block()


class Options:
    """Number options as given on the command line."""

    def __init__(self, settings):
        self.ring = None
        self.field = settings.get('bits')
        self.prime = settings.get('prime')
        self.binary = settings.get('binary')
        self.edabit = settings.get('edabit', False)
        self.mixed = settings.get('mixed', False)
        self.keep_unused = settings.get('keep_unused', False)
        self.preserve_mem_order = settings.get('memory_order', False)
        self.keep_cisc = None
        self.optimize_hard = True


class _Allocated:
    """How far each memory is in use, by the name of its bank; a larger number leaves out what lies below."""

    def __init__(self, program):
        self.program = program

    def __getitem__(self, bank):
        return self.program.memory_top[self._bank(bank)]

    def __setitem__(self, bank, top):
        self.program.memory_top[self._bank(bank)] = max(top, self[bank])

    @staticmethod
    def _bank(name):
        names = dict((long, short) for short, long in BANKS.items())
        return names.get(name, name)


class Program:
    """What programs reach as `program`."""

    def __init__(self, name, args, settings):
        self.name = name
        self.args = [name] + list(args)
        self.options = Options(settings)
        self.prime = self.options.prime
        self.traced = settings.get('trace')
        self.n = 0
        self.labels = 0
        self.vectors = []
        self.templates = []
        self.template_of = {}
        self.expanded = 0
        self.allocations = 0
        self.tapes = []
        self.required = {'p': 0, '2': 0}
        # the prime that the program runs over; with `prime`, from -P, a secret's bits are those of its representative
        self.field = self.prime or settings['over']
        self.field_known = None
        self.bound = False
        self._security = settings.get('security', 64)
        self._room = settings.get('room', 0)
        self.steady = STEADY + settings.get('steady', 0)
        self.features = set()
        self.public_numbers = []
        self.memory_top = dict.fromkeys(BANKS, USER_MEMORY)
        self.free_memory = {}
        self.n_threads = 1
        self.thread_pool = []
        self.budget = 10000
        self.curr_tape = None
        self._bit_length = 64
        self._tape_stack = []
        self.warned = set()
        self.spaces = {}
        self.nonlocals = set()
        self.remembered = []
        self.user_lines = {}
        self.files = {}
        self.allocated_mem = _Allocated(self)
        if self.options.field:
            self._bit_length = self.options.field
        if self.prime and not self.options.field:
            # what can be compared, and not more than without -P
            self._bit_length = max(1, min(64, self.prime.bit_length() - 3))
        if self.options.binary:
            self._bit_length = self.options.binary
        self.use_split_ = False
        self.use_trunc_pr = False
        self.use_unsplit = False
        self.linear_rounds_ = False
        self._enter(self._new_tape(''))

    # -- tapes and blocks

    def _new_tape(self, name):
        tape = Tape(self, len(self.tapes), name)
        self.tapes.append(tape)
        return tape

    def _enter(self, tape):
        self._tape_stack.append(tape)
        self._switch(tape)

    def _leave(self):
        self._tape_stack.pop()
        self._switch(self._tape_stack[-1])

    def _switch(self, tape):
        self.curr_tape = tape
        self.emit = tape.lines.append if self.traced is None else _tracing(tape.lines, self.traced)

    @property
    def curr_block(self):
        return self.curr_tape

    def new_block(self):
        self.emit('block')

    def label(self):
        self.labels += 1
        return self.labels

    def place(self, label):
        """Begins a block that jumps reach by `label`."""
        self.emit('label %d' % label)

    def register(self, bank, size):
        """A fresh virtual register of `size` lanes; returns its operand."""
        self.n = n = self.n + 1
        token = '%s%d' % (bank, n)
        if size != 1:
            self.vectors.append('v %s %d %d' % (token, size, self.curr_tape.index))
        return token

    # -- memory

    def malloc(self, size, bank):
        """Reserves `size` cells of a memory and returns their first address and the number of the allocation."""
        if not isinstance(size, int):
            raise CompilerError('the size of an array must be known while the program is compiled',
                                'use a Python number, or an array of the largest size that can occur')
        if size < 0:
            raise CompilerError('an array cannot have a negative size (%d)' % size)
        free = self.free_memory.get((bank, size))
        self.allocations += 1
        if free:
            return free.pop(), self.allocations
        address = self.memory_top[bank]
        self.memory_top[bank] = address + size
        if self.memory_top[bank] > 1 << 31:
            raise CompilerError('the program uses more than 2^31 cells of memory', 'use smaller arrays')
        return address, self.allocations

    def free(self, address, size, bank):
        self.free_memory.setdefault((bank, size), []).append(address)

    # -- blocks that are compiled again

    def mark(self):
        """A point to which `rollback` returns."""
        tape = self.curr_tape
        return (tape, len(tape.lines), len(tape.loops), list(getattr(tape, 'pending_else', ())), len(self.tapes),
                self.n_threads, list(self.thread_pool), len(self.public_numbers), self.expanded, len(self.remembered))

    def rollback(self, mark):
        """Forgets what has been recorded since the mark."""
        tape, lines, loops, pending, tapes, self.n_threads, pool, numbers, self.expanded, remembered = mark
        del tape.lines[lines:], tape.loops[loops:], self.tapes[tapes:], self.public_numbers[numbers:]
        tape.pending_else = pending
        self.thread_pool = pool
        while len(self.remembered) > remembered:
            cache, key = self.remembered.pop()
            cache.pop(key, None)

    def remember(self, cache, key, value):
        """Keeps something compiled in a dictionary, unless the block in which that happened is compiled again."""
        cache[key] = value
        self.remembered.append((cache, key))

    # -- numbers

    @property
    def bit_length(self):
        return self._bit_length

    @bit_length.setter
    def bit_length(self, bits):
        self._bit_length = bits

    def set_bit_length(self, bits):
        """Changes the number of bits that integers have unless said otherwise."""
        self._bit_length = bits

    @property
    def security(self):
        """Bits at which all masked openings of a run together hide."""
        return self._security

    @security.setter
    def security(self, bits):
        # less than what is asked for from outside would not be run
        self._security = max(self._security, bits)

    def set_security(self, security):
        self.security = security

    @property
    def slack(self):
        """Bits at which each masked opening hides."""
        return self._security + self._room + self._least_room()

    def _least_room(self):
        from Compiler.masks import field
        return ROOM if field().even >= self._security + ROOM else ROOM_FAR

    def require_bit_length(self, bits, domain='p'):
        """Demands a field of so many bits; refuses what a given prime cannot hold."""
        domain = str(domain)
        if domain not in self.required:
            domain = 'p' if domain in ('p', 'modp', 'c', 's') else '2'
        if domain == 'p' and self.prime and bits > self.prime.bit_length():
            raise CompilerError(
                'this needs a prime of %d bits, but -P gives one of %d' % (bits, self.prime.bit_length()),
                'use a larger prime or fewer bits (program.set_bit_length)')
        if domain == 'p' and not self.prime and bits > PRIME_BITS_MAX:
            raise CompilerError(
                'this needs a prime of %d bits, and those of virtual clouds have at most %d' % (bits, PRIME_BITS_MAX),
                'use smaller numbers: program.set_bit_length(n) or -F n for integers, sfix.set_precision(f, k) for '
                'fractions; for another machine, -P gives the prime')
        self.required[domain] = max(self.required[domain], bits)

    @property
    def non_linear(self):
        from Compiler.non_linear import NonLinear
        return NonLinear

    def use_edabit(self, change=None):
        if change is not None:
            self.options.edabit = bool(change)
        return self.options.edabit

    def use_dabit(self, change=None):
        if change is not None:
            self.options.mixed = bool(change)
        return self.options.mixed

    def use_split(self, change=None):
        return False

    def use_mulm(self, change=None):
        return True

    def linear_rounds(self, change=None):
        return False

    def always_raw(self, change=None):
        return False

    def relax_mem(self, change=None):
        return False

    def public_input(self, *values):
        """Adds numbers to what `public_input()` reads at run time."""
        for x in values:
            if isinstance(x, (list, tuple)):
                self.public_input(*x)
            elif isinstance(x, int):
                self.public_numbers.append(int(x))
            else:
                raise CompilerError('public input is made of whole numbers, not %s' % type(x).__name__)

    def options_from_args(self):
        """Takes number options from the program's arguments."""
        if 'edabit' in self.args:
            self.use_edabit(True)
        if 'trunc_pr' in self.args:
            self.use_trunc_pr = True

    def disable_memory_warnings(self):
        pass

    def set_seed(self, _seed):
        pass

    # -- run-time options of programs

    def join_tapes(self, threads):
        for thread in threads:
            self.join_tape(thread)

    def new_tape(self, function, args=(), name=None, single_thread=False, finalize=True, **_ignored):
        """Compiles `function` into a tape of its own; returns its number."""
        from Compiler.linking import Scope
        tape = self._new_tape(name or getattr(function, '__name__', 'tape'))
        self._enter(tape)
        try:
            scope = Scope([function], linked=False)
            function(*args)
            scope.link()
        finally:
            self._leave()
        return tape.index

    def run_tape(self, index, arg=0):
        return self.run_tapes([[index, arg]])[0]

    def run_tapes(self, runs):
        """Starts tapes in threads of their own; returns the threads' numbers."""
        operands, threads = [], []
        for run in runs:
            tape, arg = run if isinstance(run, (list, tuple)) else (run, 0)
            if self.thread_pool:
                thread = self.thread_pool.pop(0)
            else:
                thread = self.n_threads
                self.n_threads += 1
            operands.append('%d %d %d' % (thread, tape, arg))
            threads.append(thread)
        self.new_block()
        self.emit('run_tape 0 ' + ' '.join(operands))
        self.new_block()
        return threads

    def join_tape(self, thread):
        self.new_block()
        self.emit('join_tape 0 %d' % thread)
        self.new_block()
        self.thread_pool.append(thread)
        self.thread_pool.sort()

    # -- the record

    def write(self, out):
        """Writes the record in the form that the optimiser reads."""
        out('polyyne-record 1\n')
        out('threads %d\n' % self.n_threads)
        out('prime_bits %d\n' % self.required['p'])
        out('gf2n %d\n' % self.required['2'])
        out('security %d\n' % self.security)
        if self.prime or self.bound:
            out('prime %d\n' % self.field)
        if self.options.keep_unused:
            out('keep_unused\n')
        for feature in sorted(self.features):
            out('feature %s\n' % feature)
        for at in range(0, len(self.public_numbers), 1000):
            out('public %s\n' % ' '.join(str(x) for x in self.public_numbers[at:at + 1000]))
        for bank, top in self.memory_top.items():
            if top > USER_MEMORY:
                out('memory %s %d\n' % (bank, top))
        for at in range(0, len(self.vectors), 10000):
            out('\n'.join(self.vectors[at:at + 10000]))
            out('\n')
        for lines in self.templates:
            out('\n'.join(lines))
            out('\n')
        for tape in self.tapes:
            out('tape %d %s\n' % (tape.index, quote(tape.name)))
            lines = tape.lines
            for at in range(0, len(lines), 10000):
                out('\n'.join(lines[at:at + 10000]))
                out('\n')
        out('end\n')


def _tracing(lines, filename):
    """An `emit` that notes the line of the program from which it is called."""
    last = [None]

    def emit(line):
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != filename:
            frame = frame.f_back
        if frame is not None and frame.f_lineno != last[0]:
            last[0] = frame.f_lineno
            lines.append('at %d' % last[0])
        lines.append(line)
    return emit


def template(build):
    """Records what a function emits once for each kind of arguments; calls then cost one line.

    Its first arguments are registers, the others plain values; it returns a register or a list of registers and must
    not branch at run time.
    """
    def call(*args):
        registers = [a for a in args if hasattr(a, 'lane')]
        rest = args[len(registers):]
        key = build, tuple((r.bank, r.size) for r in registers), rest, P.security, P.options.edabit, P.options.mixed
        known = P.template_of.get(key)
        if known is None:
            known = P.template_of[key] = _record(build, registers, rest)
        number, first, count, cost, results = known
        base = P.n
        P.n = base + count
        P.expanded += cost
        P.emit('expand %d %d %s' % (number, base, ' '.join([r.t for r in registers])))
        if isinstance(results, list):
            return [_moved(r, first, base, registers) for r in results]
        return _moved(results, first, base, registers)
    call.__name__ = build.__name__
    call.__doc__ = build.__doc__
    return call


def _record(build, registers, rest):
    emit, vectors, first, extra = P.emit, P.vectors, P.n, P.expanded
    lines = []
    P.emit, P.vectors = lines.append, []
    try:
        parameters = [type(r).new(r.size) for r in registers]
        results = build(*parameters, *rest)
        declared = P.vectors
    finally:
        P.emit, P.vectors = emit, vectors
    cost = len(lines) + P.expanded - extra
    P.expanded = extra
    count, number = P.n - first, len(P.templates)
    P.templates.append(['template %d %d %d %d' % (number, first, len(registers), count)]
                       + declared + lines + ['done'])
    return number, first, count, cost, results


def _moved(register, first, base, registers):
    """The register of an expansion that corresponds to one of the template."""
    at = int(register.b[1:]) - first
    if at <= len(registers):
        return registers[at - 1].lane(register.o, register.size)
    r = register.__class__.__new__(register.__class__)
    r.size, r.o = register.size, register.o
    r.b = '%s%d' % (register.bank, base + at)
    r.t = r.b if r.o == 0 else '%s+%d' % (r.b, r.o)
    return r


def quote(text):
    """A text as an operand: percent-encoded UTF-8 behind a quotation mark."""
    safe = b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.'
    return '"' + ''.join(chr(b) if b in safe else '%%%02x' % b for b in text.encode())


P = Program.__new__(Program)


def start(name, args, settings):
    """Begins a new program in the one place that every module knows."""
    P.__init__(name, args, settings)
    return P
