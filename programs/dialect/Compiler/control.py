"""Control flow at run time.

A decorator such as `@for_range(n)` calls the decorated function at once, with a register as index, between two labels.
What must survive a round lives in memory (`MemValue`, `Array`), is changed with `.update()`, or is a variable that the
function rebinds by `global` or `nonlocal` (see `linking`).
"""

import sys

from Compiler.errors import CompilerError, NotCompileTime
from Compiler.linking import linked
from Compiler import linking
from Compiler.program import P
from Compiler.registers import Public, Register, Secret, cint, plain, regint, sint


def _condition(value, where):
    """A run-time condition as a register; Python values are returned as they are."""
    value = plain(value)
    if isinstance(value, Secret) or getattr(value, 'is_secret', False):
        raise CompilerError('a secret cannot decide what the program does next (%s): that would reveal it' % where,
                            'use x.if_else(a, b), or x.reveal() if everybody may know it')
    if isinstance(value, Register) or hasattr(value, '_to_regint'):
        return regint.conv(value)
    return value


class _Loop:
    """Labels of a loop; `break_loop` finds the innermost one here."""

    counter = None

    def __init__(self, times, scope):
        self.begin = P.label()
        self.done = P.label()
        self.end = P.label()
        self.times = times
        self.scope = scope
        self.left_early = False

    def __enter__(self):
        P.emit('enter %d' % self.times)
        P.place(self.begin)
        P.curr_tape.loops.append(self)
        return self

    def __exit__(self, *error):
        P.curr_tape.loops.pop()
        if error[0] is None:
            P.emit('leave')
            P.place(self.done)
        return False

    def again(self, condition):
        P.emit('jmpnz 0 %s @%d' % (condition.t, self.begin))

    def finish(self):
        """What leaves the loop early goes on here."""
        if self.left_early:
            P.place(self.end)

    def leave(self):
        """Leaves the loop with the variables as they are now."""
        self.left_early = True
        self.scope.link(rebind=False)
        P.emit('jmp 0 @%d' % self.end)

    def leave_if_false(self, result):
        """A body that returns a false number ends its loop."""
        result = _result(result)
        if result is None:
            return
        if not isinstance(result, Register):
            if not result:
                self.leave()
            return
        go_on = P.label()
        P.emit('jmpnz 0 %s @%d' % (result.t, go_on))
        self.leave()
        P.place(go_on)


def _result(result):
    """What a body returned, if that says whether to go on: a number or a register."""
    if isinstance(result, (bool, int, float)):
        return result
    if isinstance(result, Register) or hasattr(result, '_to_regint') or getattr(result, 'is_secret', False):
        return _condition(result, 'the end of a loop')
    if type(result).__name__ == 'MemValue':
        return _condition(result, 'the end of a loop')
    return None


def break_loop():
    """Leaves the innermost loop."""
    loops = P.curr_tape.loops
    if not loops:
        raise CompilerError('break_loop() outside a loop')
    loops[-1].leave()


def _bound(value, what):
    value = plain(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, Secret):
        raise CompilerError('a secret cannot bound a loop: everybody sees how often it runs',
                            'loop to the largest possible number and use if_else inside')
    if isinstance(value, Register):
        return regint.conv(value)
    if not isinstance(value, int):
        raise CompilerError('the %s of a loop must be a number, not %s' % (what, type(value).__name__))
    return value


def _bounds(start, stop, step):
    if stop is None:
        start, stop = 0, start
    return _bound(start, 'start'), _bound(stop, 'end'), _bound(1 if step is None else step, 'step')


def _loop(start, stop, step, body, scope, rest=None):
    """A counting loop, and what follows it unless it was left early."""
    if step == 0:
        raise CompilerError('the step of a loop cannot be zero')
    static = all(isinstance(x, int) for x in (start, stop, step))
    times = len(range(start, stop, step)) if static else -1
    if static and times == 0:
        return
    counter = regint(start) if isinstance(start, int) else regint.new(1).update(start)
    stop_register = stop if isinstance(stop, int) else regint.new(1).update(stop)

    def more():
        if isinstance(step, int):
            return counter < stop_register if step > 0 else counter > stop_register
        return ((counter < stop_register) * (step > 0)) + ((counter > stop_register) * (step < 0))

    loop = _Loop(times, scope)
    loop.counter = counter
    if not static:
        P.emit('jmpeqz 0 %s @%d' % (more().t, loop.done))
    with loop:
        if static:
            counter.span = _span(range(start, stop, step))
        loop.leave_if_false(body(counter))
        scope.link()
        counter.update(counter + step)
        loop.again(more())
    if rest is not None:
        rest()
    loop.finish()


def _span(numbers):
    return min(numbers[0], numbers[-1]), max(numbers[0], numbers[-1])


def for_range(start, stop=None, step=None):
    """Runs the function for each number of the range, in a loop at run time."""
    if isinstance(start, (list, tuple)):
        return _nested(list(start), lambda n: for_range(n))
    start, stop, step = _bounds(start, stop, step)

    def decorator(body):
        linked([body], lambda scope: _loop(start, stop, step, body, scope))
        return body
    return decorator


def range_loop(body, start, stop=None, step=None):
    for_range(start, stop, step)(body)


def _nested(sizes, inner):
    """One loop in another for each size; the last is made by `inner`."""
    def decorator(body):
        def level(indices, rest):
            if len(rest) == 1:
                inner(rest[0])(lambda i: body(*indices, i))
            else:
                for_range(rest[0])(lambda i: level(indices + [i], rest[1:]))
            return None
        level([], sizes)
        return body
    return decorator


def _known(number):
    """A loop index that is the same in every run."""
    i = regint(number)
    i.span = number, number
    return i


def _unrolled(n, factor, body, budget):
    """A loop whose rounds run several times the body, so that their communication is joined."""
    n = _bound(n, 'end')
    linked([body], lambda scope: _unrolled_static(n, factor, body, budget, scope) if isinstance(n, int)
           else _unrolled_dynamic(n, factor or 1, body, scope))


def _unrolled_dynamic(n, k, body, scope):
    whole = n // k

    def several(i):
        loop = P.curr_tape.loops[-1]
        for j in range(k):
            loop.leave_if_false(body(i * k + j))
    _loop(0, whole, 1, several, scope, (lambda: _loop(whole * k, n, 1, body, scope)) if k > 1 else None)


def _unrolled_static(n, factor, body, budget, scope):
    if n <= 0:
        return
    loop = _Loop(1, scope)
    P.curr_tape.loops.append(loop)
    if factor is not None and factor >= n or n == 1:
        done = 0
    else:
        done = _stepping_loop(n, factor, body, budget, loop)
    for i in range(done, n):
        loop.leave_if_false(body(_known(i)))
    P.curr_tape.loops.pop()
    if loop.left_early:
        scope.link()
    loop.finish()


def _stepping_loop(n, k, body, budget, loop):
    """A loop over 0..n in steps of k, or of what its first round determines; returns where it ends."""
    counter = loop.counter = regint(0)
    enter = len(P.curr_tape.lines)
    P.emit('enter 1')
    P.place(loop.begin)
    before = len(P.curr_tape.lines) + P.expanded
    counter.span = 0, n - 1
    loop.leave_if_false(body(counter))
    cost = max(1, len(P.curr_tape.lines) + P.expanded - before)
    k = min(k or max(1, budget // cost), n)
    k = -(-n // -(-n // k))
    whole = n // k
    counter.span = 0, (whole - 1) * k
    for j in range(1, k):
        loop.leave_if_false(body(counter + j))
    if whole == 1:
        # no loop after all: what surrounds it may share its rounds
        P.curr_tape.lines[enter:enter + 2] = ['', '']
        return k
    loop.scope.link()
    counter.update(counter + k)
    loop.again(counter < whole * k)
    P.curr_tape.lines[enter] = 'enter %d' % whole
    P.emit('leave')
    P.place(loop.done)
    return whole * k


def for_range_opt(start, stop=None, step=None, budget=None):
    """Like for_range; rounds of the loop are unrolled as long as a budget of instructions lasts."""
    if isinstance(start, (list, tuple)):
        return _nested(list(start), lambda n: for_range_opt(n, budget=budget))
    low, high, step = _bounds(start, stop, step)
    budget = budget or P.budget

    def decorator(body):
        if (isinstance(low, int) and low == 0) and (isinstance(step, int) and step == 1):
            _unrolled(high, None, body, budget)
        elif all(isinstance(x, int) for x in (low, high, step)):
            _unrolled(len(range(low, high, step)), None, lambda i: body(i * step + low), budget)
        else:
            linked([body], lambda scope: _loop(low, high, step, body, scope))
        return body
    return decorator


for_range_opt_ = for_range_opt


def for_range_parallel(n_parallel, n_loops):
    """Like for_range, with `n_parallel` rounds at a time."""
    if isinstance(n_loops, (list, tuple)):
        return _nested(list(n_loops), lambda n: for_range_parallel(n_parallel, n))

    def decorator(body):
        _unrolled(n_loops, n_parallel, body, P.budget)
        return body
    return decorator


def foreach_enumerate(values):
    def decorator(body):
        for i, v in enumerate(values):
            body(i, *v if isinstance(v, (list, tuple)) else (v,))
        return body
    return decorator


# -- threads

def _in_thread():
    return P.curr_tape.index != 0


def _shares(n, n_threads):
    """How n rounds are dealt to threads: (first, count) for each."""
    n_threads = max(1, min(n_threads, n)) if n else 0
    each, more = divmod(n, n_threads) if n_threads else (0, 0)
    first, shares = 0, []
    for t in range(n_threads):
        count = each + (t < more)
        shares.append((first, count))
        first += count
    return shares


def run_in_threads(n, n_threads, work):
    """Runs work(first, count) in threads; `first` is a run-time value, the counts are Python numbers."""
    tapes, runs = {}, []
    shares = _shares(n, n_threads)

    def started(count):
        first, starts = get_arg(), [start for start, c in shares if c == count]
        first.span = starts[0], starts[-1]
        return first
    for first, count in shares:
        if count not in tapes:
            tapes[count] = P.new_tape(lambda: work(started(count), count), name='thread')
        runs.append([tapes[count], first])
    P.join_tapes(P.run_tapes(runs))


def get_arg():
    """The argument with which this thread's tape was started."""
    r = regint.new(1)
    P.emit('ldarg 1 %s' % r.t)
    return r


def for_range_multithread(n_threads, n_parallel, n_loops, thread_mem_req=None):
    """Deals the rounds to threads; each runs `n_parallel` at a time."""
    if isinstance(n_loops, (list, tuple)):
        return _flat_multithread(n_threads, n_loops,
                                 lambda n: for_range_multithread(n_threads, n_parallel, n))
    n = _bound(n_loops, 'end')

    def decorator(body):
        if not isinstance(n, int) or n_threads in (None, 1) or _in_thread():
            _unrolled(n, n_parallel or None, body, P.budget)
        else:
            run_in_threads(n, n_threads,
                           lambda first, count: _unrolled(count, n_parallel or None,
                                                          lambda i: body(first + i), P.budget))
        return body
    return decorator


def for_range_opt_multithread(n_threads, n_loops, budget=None):
    """Deals the rounds to threads; each unrolls as for_range_opt does."""
    return for_range_multithread(n_threads, None, n_loops)


def _flat_multithread(n_threads, sizes, outer):
    sizes = list(sizes)

    def decorator(body):
        rest = sizes[1:]
        if len(rest) == 1:
            def row(i):
                _unrolled(rest[0], None, lambda j: body(i, j), P.budget)
        else:
            def row(i):
                _nested(rest, lambda n: for_range_opt(n))(lambda *indices: body(i, *indices))
        n = _bound(sizes[0], 'end')
        if n_threads in (None, 1) or not isinstance(n, int) or _in_thread():
            for_range(n)(row)
        else:
            run_in_threads(n, n_threads, lambda first, count: for_range(count)(lambda i: row(first + i)))
        return body
    return decorator


def multithread(n_threads, n_items=None, max_size=None):
    """Deals a vector's elements to threads: the function gets base and size."""
    n_items = n_items or n_threads

    def decorator(body):
        if n_threads in (None, 1) or _in_thread():
            for first, count in _shares(n_items, -(-n_items // max_size) if max_size else 1):
                body(regint(first), count)
        else:
            run_in_threads(n_items, n_threads, body)
        return body
    return decorator


# -- reductions

def tree_reduce(function, values):
    """Combines all values by an associative function, in a tree."""
    values = list(values)
    if not values:
        raise CompilerError('tree_reduce needs at least one value')
    while len(values) > 1:
        half = len(values) // 2
        paired = [function(values[2 * i], values[2 * i + 1]) for i in range(half)]
        values = paired + values[2 * half:]
    return values[0]


def tree_reduce_multithread(n_threads, function, vector):
    """Combines the lanes of a vector by an associative function of vectors."""
    rest = plain(vector)
    while rest.size > 1:
        half = rest.size // 2
        combined = function(rest.get_vector(0, half), rest.get_vector(half, half))
        if rest.size % 2:
            combined = type(rest).concat([combined, rest.get_vector(2 * half, 1)])
        rest = combined
    return rest


def map_reduce_single(n_parallel, n_loops, initializer=lambda *x: [], reducer=lambda *x: [], mem_state=None):
    """Combines what the function returns for each round; the function returned gives the result."""
    from Compiler.containers import MemValue

    def decorator(body):
        start = initializer()
        start = list(start) if isinstance(start, (list, tuple)) else [start]
        state = [MemValue(plain(x) if not isinstance(x, int) else regint(x)) for x in start]

        def round_(i):
            result = body(i)
            result = list(result) if isinstance(result, (list, tuple)) else [result]
            combined = reducer(tuple(result) if len(result) > 1 else result[0],
                               tuple(s.read() for s in state) if len(state) > 1 else state[0].read())
            combined = list(combined) if isinstance(combined, (list, tuple)) else [combined]
            for s, c in zip(state, combined):
                s.write(c)
            return None
        _unrolled(n_loops, n_parallel or None, round_, P.budget)

        def result():
            values = [s.read() for s in state]
            return values[0] if len(values) == 1 else tuple(values)
        return result
    return decorator


def map_reduce(n_threads, n_parallel, n_loops, initializer, reducer, thread_mem_req=None):
    """Like map_reduce_single, dealt to threads."""
    from Compiler.containers import Array

    n = _bound(n_loops, 'end')
    if n_threads in (None, 1) or not isinstance(n, int) or _in_thread() or n < 2:
        return map_reduce_single(n_parallel, n_loops, initializer, reducer)

    def decorator(body):
        start = initializer()
        start = list(start) if isinstance(start, (list, tuple)) else [start]
        kinds = [type(plain(x)) if not isinstance(x, int) else regint for x in start]
        shares = _shares(n, n_threads)
        partial = [Array(len(shares), kind) for kind in kinds]
        number = Array(n, regint)
        for t, (first, count) in enumerate(shares):
            number[first] = t

        def work(first, count):
            result = map_reduce_single(n_parallel, count, initializer, reducer)(lambda i: body(first + i))()
            result = result if isinstance(result, tuple) else (result,)
            place = number[first]
            place.span = 0, len(shares) - 1
            for array, value in zip(partial, result):
                array[place] = value
        run_in_threads(n, n_threads, work)

        def result():
            total = None
            for t in range(len(shares)):
                values = tuple(a[t] for a in partial)
                values = values if len(values) > 1 else values[0]
                total = values if total is None else reducer(values, total)
                if isinstance(total, list):
                    total = tuple(total)
            return total
        return result
    return decorator


def _add(x, y):
    if isinstance(x, (list, tuple)):
        return tuple(a + b for a, b in zip(x, y if isinstance(y, (list, tuple)) else [y]))
    return x + y


def _zeros(types):
    types = types if isinstance(types, (list, tuple)) else [types]
    return lambda: tuple(t(0) for t in types)


def map_sum(n_threads, n_parallel, n_loops, n_items, value_types):
    types = value_types if isinstance(value_types, (list, tuple)) else [value_types] * n_items
    return map_reduce(n_threads, n_parallel, n_loops, _zeros(types), _add)


def map_sum_opt(n_threads, n_loops, types):
    return map_reduce(n_threads, None, n_loops, _zeros(types), _add)


def map_sum_simple(n_threads, n_loops, value_type, size):
    return map_reduce(n_threads, None, n_loops, lambda: (value_type(0, size=size),), _add)


# -- while

def _copies(values):
    return [type(plain(v)).new(plain(v).size).update(v) if not isinstance(v, int) else regint(v) for v in values]


def while_do(condition, *args):
    """Runs the function as long as the condition (a function of the same values) holds."""
    def decorator(body):
        state = _copies(args)
        linked([body, condition], lambda scope: _while(condition, state, body, scope))
        return (lambda: tuple(state)) if state else body
    return decorator


def _while(condition, state, body, scope):
    loop = _Loop(-1, scope)
    first = _condition(condition(*state), 'while_do')
    if isinstance(first, Register):
        P.emit('jmpeqz 0 %s @%d' % (first.t, loop.done))
    elif not first:
        return
    with loop:
        result = body(*state)
        if state:
            result = list(result) if isinstance(result, (list, tuple)) else [result]
            if len(result) != len(state) or any(r is None for r in result):
                raise CompilerError('the function under while_do must return the next value of each argument',
                                    'return as many values as the function takes')
            values = [type(s)(plain(r)) for s, r in zip(state, result)]
            for s, v in zip(state, values):
                s.update(v)
        else:
            loop.leave_if_false(result)
        scope.link()
        again = _condition(condition(*state), 'while_do')
        loop.again(again if isinstance(again, Register) else regint(int(bool(again))))
    loop.finish()


def while_loop(body, condition, arg=None):
    """while_do as a call."""
    if arg is None:
        while_do(lambda: condition())(lambda: body())
        return None
    result = while_do(condition, arg)(body)
    return result()[0]


def do_loop(condition, body):
    do_while(lambda: (body(), condition())[1])


def do_while(body):
    """Runs the function until it returns zero."""
    def emit(scope):
        loop = _Loop(-1, scope)
        with loop:
            again = body()
            again = _condition(again() if callable(again) else again, 'do_while')
            if again is None:
                raise CompilerError('a function under @do_while must return whether to go on')
            # a register of its own: what it is may change when variables are carried over
            again = regint.new(1).update(again) if isinstance(again, Register) else regint(int(bool(again)))
            scope.link()
            loop.again(again)
        loop.finish()
    linked([body], emit)
    return body


# -- branches

def _run_branch(body):
    """The function of a branch, whose result nobody could use."""
    if body() is not None and getattr(body, '__name__', '') != '<lambda>':
        raise CompilerError('the function of a run-time branch cannot return a value',
                            'use if_else, or write the value to a MemValue')


def if_(condition):
    """Runs the function if the condition holds at run time."""
    condition = _condition(condition, 'if_')

    def decorator(body):
        if not isinstance(condition, Register):
            if condition:
                body()
            return body

        def emit(scope):
            end = P.label()
            P.emit('jmpeqz 0 %s @%d' % (condition.t, end))
            _run_branch(body)
            scope.link()
            P.place(end)
        linked([body], emit, conditional=True)
        return body
    return decorator


class _Branch:
    """A run-time `if_e` that waits for its `else_`."""

    def __init__(self, condition, body):
        self.condition, self.body = condition, body
        self.mark = P.mark()
        self.as_registers = {}

    def emit(self):
        self.scope = None
        linked([self.body], self._emit)

    def _emit(self, scope):
        # how Python's state was before the first attempt
        self.scope = self.scope or scope
        self.otherwise, self.end = P.label(), P.label()
        P.emit('jmpeqz 0 %s @%d' % (self.condition.t, self.otherwise))
        depth = len(_pending(P.curr_tape))
        _run_branch(self.body)
        if len(_pending(P.curr_tape)) != depth:
            raise CompilerError('@if_e without @else_', 'use @if_ if there is nothing to do otherwise')
        self.new_names = scope.link_first_branch(self.as_registers)
        P.emit('jmp 0 @%d' % self.end)
        P.place(self.otherwise)

    def emit_else(self, body):
        """The other branch; both again if it rebinds what needs a register from before the first."""
        for _ in range(linking.ATTEMPTS):
            scope = linking.Scope([body])
            _run_branch(body)
            scope.link()
            if not scope.promoted:
                scope.check_second_branch(self.new_names)
                P.place(self.end)
                return
            scope.restore()
            P.rollback(self.mark)
            self.scope.restore()
            self.as_registers.update(scope.start_both_again(self.scope))
            self.mark = P.mark()
            self.emit()
        raise CompilerError('the variables that @if_e and @else_ rebind change their types in every round',
                            'start with values of the final types: sint(0), sfix(0), regint(0)')


def if_e(condition):
    """Like if_, followed by @else_."""
    condition = _condition(condition, 'if_e')

    def decorator(body):
        if not isinstance(condition, Register):
            if condition:
                body()
            _pending(P.curr_tape).append(bool(condition))
            return body
        branch = _Branch(condition, body)
        branch.emit()
        _pending(P.curr_tape).append(branch)
        return body
    return decorator


def _pending(tape):
    if not hasattr(tape, 'pending_else'):
        tape.pending_else = []
    return tape.pending_else


def else_(body):
    """What runs if the condition of the preceding @if_e does not hold."""
    waiting = _pending(P.curr_tape)
    if not waiting:
        raise CompilerError('@else_ without @if_e')
    branch = waiting.pop()
    if branch is True:
        return body
    if branch is False:
        body()
        return body
    branch.emit_else(body)
    return body


def if_statement(condition, if_function, else_function=None):
    if else_function is None:
        if_(condition)(if_function)
    else:
        if_e(condition)(if_function)
        else_(else_function)


if_else_block = if_statement


def and_(*terms):
    """A function that evaluates the terms in turn until one is zero."""
    def evaluate():
        result, end = regint(0), P.label()
        for term in terms:
            value = _condition(term(), 'and_')
            P.emit('jmpeqz 0 %s @%d' % (regint.conv(value).t, end))
        result.update(1)
        P.place(end)
        return result
    return evaluate


def or_(*terms):
    """A function that evaluates the terms in turn until one is not zero."""
    def evaluate():
        result, end = regint(1), P.label()
        for term in terms:
            value = _condition(term(), 'or_')
            P.emit('jmpnz 0 %s @%d' % (regint.conv(value).t, end))
        result.update(0)
        P.place(end)
        return result
    return evaluate


def not_(term):
    return lambda: 1 - regint.conv(_condition(term(), 'not_'))


# -- functions

def _flatten(value, leaves):
    """Run-time values inside lists and tuples, and a description of the rest."""
    value_ = plain(value) if hasattr(value, '_as_register') and not hasattr(value, 'value_type') else value
    if isinstance(value_, (list, tuple)):
        return (type(value_).__name__,) + tuple(_flatten(v, leaves) for v in value_)
    if isinstance(value_, Register):
        leaves.append(value_)
        return value_.kind, value_.size
    if hasattr(value_, '_leaves'):
        shape = value_._leaves(leaves)
        return shape
    from Compiler.containers import MemValue
    if isinstance(value_, MemValue):
        return _flatten(value_.read(), leaves)
    try:
        hash(value_)
    except TypeError:
        return 'object', id(value_)
    return 'constant', type(value_).__name__, value_


def _rebuild(value, leaves):
    """The same structure around other run-time values."""
    if isinstance(value, (list, tuple)):
        return type(value)(_rebuild(v, leaves) for v in value)
    if isinstance(value, Register):
        return leaves.pop(0)
    if hasattr(value, '_with_leaves'):
        return value._with_leaves(leaves)
    from Compiler.containers import MemValue
    if isinstance(value, MemValue):
        return _rebuild(value.read(), leaves)
    return value


class _Body:
    """A compiled function: where it begins, its parameters, its result."""


def function_block(function):
    """Compiles the function once for each kind of arguments; calls jump there and back."""
    compiled = {}

    def call(*args):
        return _call_block(function, function, compiled, args)
    call.__name__ = getattr(function, '__name__', 'function')
    return call


def method_block(function):
    """function_block for methods: once for each object."""
    compiled = {}

    def call(self, *args):
        own = compiled.setdefault(id(self), ({}, self))[0]
        return _call_block(lambda *rest: function(self, *rest), function, own, args)
    return call


def _call_block(function, source, compiled, args):
    leaves = []
    shape = _flatten(list(args), leaves)
    body = compiled.get((P.curr_tape.index, shape, linking.state_of(source)))
    if body is None:
        def emit(scope):
            return _compile_block(function, args, leaves, scope)
        body = linked([function, source], emit)
        body.state = linking.state_of(source)
        P.remember(compiled, (P.curr_tape.index, shape, body.state), body)
    for parameter, value in zip(body.parameters, leaves):
        parameter.update(value)
    back = P.label()
    P.emit('calls %d' % body.begin)
    P.emit('ldint 1 %s @%d~%d' % (body.back.t, back, body.end))
    P.emit('jmp 0 @%d' % body.begin)
    P.place(back)
    return _rebuild(body.result, [r.copied() for r in body.results])


def _compile_block(function, args, leaves, scope):
    body = _Body()
    body.begin, body.end, over = P.label(), P.label(), P.label()
    body.parameters = [type(v).new(v.size) for v in leaves]
    body.back = regint.new(1)
    P.emit('jmp 0 @%d' % over)
    P.emit('body %d' % body.begin)
    P.place(body.begin)
    result = function(*_rebuild(list(args), list(body.parameters)))
    results = []
    _flatten(result, results)
    body.results = [type(r).new(r.size) for r in results]
    for target, value in zip(body.results, results):
        target.update(value)
    scope.link()
    body.result = result
    P.emit('jmpi 0 %s' % body.back.t)
    P.place(body.end)
    P.emit('leave')
    P.place(over)
    return body


CALL_BANKS = {'i': 0, 'b': 1, 'k': 2, 's': 4, 'c': 5, 'S': 6, 'C': 7}


def function(function_):
    """Compiles the function to a tape of its own, once for each kind of arguments."""
    compiled = {}

    def call(*args):
        leaves = []
        key = _flatten(list(args), leaves), linking.state_of(function_)
        body = compiled.get(key)
        if body is None:
            body = _compile_tape(function_, args, leaves)
            P.remember(compiled, key, body)
        results = [type(r).new(r.size) for r in body.results]
        groups = []
        for parameter, value in zip(body.parameters, leaves):
            groups.append('0 %d %d %s %s' % (CALL_BANKS[value.bank], value.size, _foreign(parameter, body), value.t))
        for source, target in zip(body.results, results):
            groups.append('1 %d %d %s %s' % (CALL_BANKS[target.bank], target.size, target.t, _foreign(source, body)))
        P.emit('call_tape 0 %d %s %s' % (body.tape, regint(0).t, ' '.join(groups)))
        return _rebuild(body.result, list(results))
    call.__name__ = getattr(function_, '__name__', 'function')
    return call


def _foreign(register, body):
    return '%s^%d' % (register.t, body.tape)


def _compile_tape(function_, args, leaves):
    body = _Body()

    def run():
        body.parameters = [type(v).new(v.size) for v in leaves]
        for p in body.parameters:
            P.emit('call_arg %d %s %d' % (p.size, p.t, CALL_BANKS[p.bank]))
        result = function_(*_rebuild(list(args), list(body.parameters)))
        results = []
        _flatten(result, results)
        body.results = [type(r).new(r.size).update(r) for r in results]
        for r in body.results:
            P.emit('export %s' % r.t)
        body.result = result
    body.tape = P.new_tape(run, name=getattr(function_, '__name__', 'function'))
    return body


method_tape = function
dynamic_function = function_block


def export(function_):
    return function_


def memorize(value):
    from Compiler.containers import MemValue
    if isinstance(value, (list, tuple)):
        return type(value)(memorize(v) for v in value)
    return MemValue(value)


def unmemorize(value):
    if isinstance(value, (list, tuple)):
        return type(value)(unmemorize(v) for v in value)
    return value.read()


def set_instruction_type(*_args, **_kwargs):
    return lambda function_: function_


def loopy_chunkier_odd_even_merge_sort(values, *_args, **_kwargs):
    values.sort()


# -- time

def start_timer(number=0):
    """Starts a timer; stop_timer of the same number prints the time."""
    P.new_block()
    P.emit('start 0 %d' % number)
    P.new_block()


def stop_timer(number=0):
    P.new_block()
    P.emit('stop 0 %d' % number)
    P.new_block()


def time():
    P.new_block()
    P.emit('time 0')
    P.new_block()
