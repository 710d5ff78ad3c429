"""Variables that the body of a run-time block rebinds.

A body such as that of `@for_range` runs once while the program is compiled. What it makes of a variable by `global`,
`nonlocal` or an attribute must become the variable's value at run time: a scope notes the variables before the body;
at its end every variable that holds another value is written back into the register that it held before.

Where that register is a Python number, or is known by another name as well, the block is compiled again with a
register of its own in its place. What cannot be written back is an error that names the variable.
"""

import sys

from Compiler.errors import CompilerError
from Compiler.program import P
from Compiler.reach import MISSING, NUMBERS, Reach, get, is_value

ATTEMPTS = 12


def _set(place, value):
    kind, holder, key = place
    if kind == 'global':
        if value is MISSING:
            holder.pop(key, None)
        else:
            holder[key] = value
    elif kind == 'cell':
        if value is not MISSING:
            holder.cell_contents = value
    elif value is MISSING:
        if key in vars(holder):
            delattr(holder, key)
    else:
        setattr(holder, key, value)


def _name(place):
    kind, holder, key = place
    if kind != 'attribute':
        return 'the variable %s' % key
    owner = holder.__name__ if isinstance(holder, type) else type(holder).__name__
    return 'the attribute %s of %s' % (key, owner)


# -- values

def _tokens(x):
    """The registers that a value consists of."""
    return x.register_tokens() if is_value(x) else ()


def _fresh(old, like):
    """A register with the value of a Python number or of another value, of the type of a value."""
    if is_value(old):
        return old.copied()
    from Compiler.fixed import cfix
    from Compiler.registers import cint, regint
    if not is_value(like):
        kind = cfix if isinstance(old, float) or isinstance(like, float) else \
            regint if max(abs(old), abs(like)) < 1 << 62 else cint
        return kind(old)
    return like.of_number(int(old) if isinstance(old, bool) else old)


def _zero(_old, like):
    return like.of_number(0)


def _same_number(old, new):
    return isinstance(new, NUMBERS) and new == old


def _is_plain(x):
    return isinstance(x, NUMBERS + (str, bytes, type(None)))


def _unchanged(old, new):
    if old is new:
        return True
    if type(old) is type(new) and type(old) in (str, bytes):
        return old == new
    if type(old) is tuple and type(new) is tuple and len(old) == len(new):
        return all(a is b or _is_plain(a) and _is_plain(b) and a == b for a, b in zip(old, new))
    return False


def _what(x):
    if x is None or x is MISSING:
        return 'nothing'
    if not is_value(x):
        return type(x).__name__
    return '%s of %d values' % (x.kind, x.size) if x.size != 1 else x.kind


def _obstacle(old, new):
    """Why a value cannot be written into the register of another; None if it can."""
    if isinstance(new, NUMBERS):
        return None
    if getattr(old, 'can_take', lambda _: False)(new) and old.size == new.size:
        return None
    if not is_value(new) or type(old) is not type(new):
        return 'held %s before and %s after' % (_what(old), _what(new))
    if old.size != new.size:
        return 'held %s before and %s after' % (_what(old), _what(new))
    if old.format() != new.format():
        return 'changes its precision or number of bits'
    return None


# -- scopes

class Scope:
    """What a run-time block may rebind, as it was before the block. `conditional`: it may also not run at all."""

    def __init__(self, functions, conditional=False, linked=True):
        reach = Reach(functions)
        self.conditional, self.is_linked = conditional, linked
        self.before, seen = [], set()
        for place in reach.places:
            key = place[0], id(place[1]), place[2]
            if key not in seen:
                seen.add(key)
                self.before.append((place, get(place)))
        self.lists, self.objects = reach.lists, reach.objects
        self.promoted = {}
        self.carried = []

    def changes(self):
        found = [(place, old, new) for place, old in self.before for new in [get(place)] if new is not old]
        for instance, known in self.objects:
            found += [(('attribute', instance, key), MISSING, value) for key, value in vars(instance).items()
                      if key not in known]
        return found

    def restore(self):
        """Python's state as it was before the block."""
        for place, old in self.before:
            if get(place) is not old:
                _set(place, old)
        for container, kept, _, _ in self.lists:
            if type(container) is list:
                container[:] = kept
            else:
                container.clear()
                container.update(kept)
        for instance, known in self.objects:
            for key in [k for k in vars(instance) if k not in known]:
                delattr(instance, key)

    def link(self, rebind=True):
        """Writes what the block has changed into the registers from before; without `rebind` names stay as they are."""
        moves, new_names = [], []
        changes = self.changes()
        self.rebound = [place for place, _, _ in changes]
        for place, old, new in changes:
            if old is MISSING or old is None:
                if old is None and self.conditional and is_value(new):
                    self._refuse(place, 'held None before the block, which may not run')
                if not rebind and is_value(new):
                    # what leaves the loop early and what leaves it at its end must find one register
                    self.promoted[place[0], id(place[1]), place[2]] = place, _zero, old, new
                new_names.append((place, new))
            elif isinstance(old, NUMBERS):
                if not _same_number(old, new):
                    self._promote(place, old, new)
            elif not is_value(old):
                if not _unchanged(old, new):
                    self._refuse(place, 'held %s before and %s after' % (_what(old), _what(new)))
            else:
                obstacle = _obstacle(old, new)
                if obstacle:
                    self._refuse(place, obstacle)
                moves.append((place, old, new))
        if rebind:
            moves += self._changed_elements()
        self._find_aliases(moves)
        if self.promoted or not (moves or new_names):
            return
        if not self.is_linked:
            for place, _, _ in moves:
                self._refuse(place, 'is rebound in a thread or a function of its own')
        self._move(moves, new_names, rebind)

    def _promote(self, place, old, new):
        if not (isinstance(new, NUMBERS) or is_value(new)):
            self._refuse(place, 'held a number before and %s after' % _what(new))
        if not self.is_linked:
            self._refuse(place, 'is rebound in a thread or a function of its own')
        self.promoted[place[0], id(place[1]), place[2]] = place, _fresh, old, new

    def _changed_elements(self):
        """Registers in lists that the block replaced; whatever else it did to lists is refused."""
        moves = []
        for container, kept, label, is_global in self.lists:
            if type(container) is dict:
                now = dict(container)
                pairs = [(k, kept[k], now.get(k, MISSING)) for k in kept if now.get(k, MISSING) is not kept[k]]
            elif len(container) != len(kept):
                self._refuse_list(label, 'grows or shrinks')
            else:
                pairs = [(i, a, b) for i, (a, b) in enumerate(zip(kept, container)) if a is not b]
            for key, old, new in pairs:
                if _unchanged(old, new) or _is_plain(old) and isinstance(old, NUMBERS) and _same_number(old, new):
                    continue
                if old is None and not self.conditional and not is_global:
                    continue
                if is_global or not is_value(old) or _obstacle(old, new) or not self.is_linked:
                    self._refuse_list(label, 'gets another element')
                moves.append((('element', container, key), old, new))
        return moves

    @staticmethod
    def _refuse(place, why):
        raise CompilerError('%s %s, so its value cannot leave the run-time block' % (_name(place), why),
                            'start with a value of the same type and length outside the block, or keep it in memory: '
                            'MemValue with write or iadd, Array with assign')

    @staticmethod
    def _refuse_list(label, why):
        raise CompilerError('the list %s %s in a run-time block, which runs once while the program is compiled'
                            % (label, why), 'use an Array or a Matrix: those change at run time')

    def _find_aliases(self, moves):
        """Variables whose register somebody else knows as well get one of their own."""
        if not moves:
            return
        known = {}
        for _, old, _ in moves:
            for token in _tokens(old):
                known[token] = known.get(token, 0) + 1
        others = set()
        for value in self._elsewhere(moves):
            others.update(_tokens(value))
        for place, old, new in moves:
            shared = any(known[t] > 1 or t in others for t in _tokens(old))
            if (shared or getattr(old, 'span', None)) and place[0] != 'element':
                self.promoted[place[0], id(place[1]), place[2]] = place, _fresh, old, new

    def _elsewhere(self, moves):
        """Values that the program can still reach by other ways than the variables that change."""
        changing = set((place[0], id(place[1]), place[2]) for place, _, _ in moves)
        for tape in P.tapes:
            for loop in tape.loops:
                yield loop.counter
        for place, _ in self.before:
            if (place[0], id(place[1]), place[2]) not in changing:
                yield get(place)
        for container, _, _, _ in self.lists:
            for x in container if type(container) is list else container.values():
                yield x
        for space, _ in P.spaces.values():
            for name, value in list(space.items()):
                if ('global', id(space), name) not in changing:
                    yield value
                    if type(value) in (list, tuple):
                        for x in value:
                            yield x
        # frames show the variables of closures too
        cells = set((place[2], id(get(place))) for place, _, _ in moves if place[0] == 'cell')
        frame = sys._getframe(1)
        while frame is not None:
            if id(frame.f_globals) in P.spaces and frame.f_globals is not frame.f_locals:
                for name, value in list(frame.f_locals.items()):
                    if (name, id(value)) in cells:
                        continue
                    yield value
                    if type(value) in (list, tuple):
                        for x in value:
                            yield x
            frame = frame.f_back

    def _move(self, moves, new_names, rebind):
        flux = set()
        for _, old, _ in moves:
            flux.update(_tokens(old))
        for tape in P.tapes:
            for loop in tape.loops:
                flux.update(_tokens(loop.counter))
        values = []
        for place, old, new in moves:
            if is_value(new) and any(t in flux for t in _tokens(new)):
                new = new.copied()
            values.append(new)
        if rebind:
            for place, new in new_names:
                if is_value(new) and any(t in flux for t in _tokens(new)):
                    _set(place, new.copied())
        for (place, old, _), new in zip(moves, values):
            old.update(new)
        if not rebind:
            return
        self.carried = [(place, old) for place, old, _ in moves if place[0] != 'element']
        for place, old, _ in moves:
            if place[0] == 'element':
                place[1][place[2]] = old
            else:
                _set(place, old)

    def link_first_branch(self, as_registers):
        """Like `link`, before an else_: what the branch has made new may get another value there."""
        self.link()
        if self.promoted:
            return []
        made = [(place, old, new) for place, old, new in self.changes() if old is MISSING or old is None]
        for place, old, new in made:
            like = as_registers.get((place[0], id(place[1]), place[2]))
            if is_value(new):
                _set(place, new.copied())
            elif like is not None and isinstance(new, NUMBERS):
                _set(place, _fresh(new, like))
        return [(place, get(place)) for place, old, new in made if old is None and is_value(new)]

    def check_second_branch(self, new_names):
        """What was None before and got a value in the first branch gets one in the second."""
        again = set((place[0], id(place[1]), place[2]) for place in self.rebound)
        for place, _ in new_names:
            if (place[0], id(place[1]), place[2]) not in again:
                self._refuse(place, 'held None before, and gets a value in one branch only')

    def start_both_again(self, first):
        """Registers from before the first branch for what the second rebinds; what both branches make is returned."""
        made = {}
        for key, (place, make, old, new) in self.promoted.items():
            before = get(place)
            if before is MISSING or before is None:
                made[key] = new
            else:
                _set(place, make(before, new))
        return made

    def start_again(self):
        """Gives the variables that need it registers of their own."""
        self.restore()
        for place, make, old, new in self.promoted.values():
            try:
                _set(place, make(old, new))
            except CompilerError as error:
                self._refuse(place, 'held %s before and %s after' % (_what(old), _what(new)))


def state_of(function):
    """The values that a function reads by name: what it is compiled to depends on them."""
    return tuple((name, id(value) if is_value(value) else (type(value).__name__, value))
                 for name, value in sorted(Reach([function]).read, key=lambda pair: pair[0]))


def linked(functions, emit, conditional=False):
    """Compiles a block by `emit(scope)`, again if a variable needs a register of its own."""
    functions = [f for f in functions if f is not None]
    for _ in range(ATTEMPTS):
        mark = P.mark()
        scope = Scope(functions, conditional)
        result = emit(scope)
        if not scope.promoted:
            return result
        P.rollback(mark)
        scope.start_again()
    raise CompilerError('the variables that this block rebinds change their types in every round',
                        'start with values of the final types: sint(0), sfix(0), regint(0)')
