"""Regular expressions: the common part of Python's `re`, by backtracking.

Characters, classes, groups (numbered, named, not capturing), alternatives, greedy and lazy repetition, anchors, word
boundaries, back references and look-ahead. Not supported: look-behind, possessive repetition, conditional groups.
"""

IGNORECASE = I = 2
MULTILINE = M = 8
DOTALL = S = 16
VERBOSE = X = 64
ASCII = A = 256
UNICODE = U = 32

_SPACE = ' \t\n\r\f\v'
_CLASSES = {
    'd': lambda c: c.isdigit(), 'D': lambda c: not c.isdigit(),
    'w': lambda c: c.isalnum() or c == '_', 'W': lambda c: not (c.isalnum() or c == '_'),
    's': lambda c: c in _SPACE, 'S': lambda c: c not in _SPACE,
}
_ESCAPES = {'n': '\n', 't': '\t', 'r': '\r', 'f': '\f', 'v': '\v', 'a': '\a', '0': '\0'}


class error(Exception):
    """A malformed pattern."""


PatternError = error


class _Parser:
    """Turns a pattern into nodes: tuples whose first element says what they are."""

    def __init__(self, pattern, flags):
        self.text, self.at, self.flags = pattern, 0, flags
        self.groups, self.names = 0, {}

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ''

    def take(self):
        c = self.peek()
        if not c:
            raise error('the pattern ends early')
        self.at += 1
        return c

    def eat(self, prefix):
        if self.text.startswith(prefix, self.at):
            self.at += len(prefix)
            return True
        return False

    def alternatives(self):
        options = [self.sequence()]
        while self.eat('|'):
            options.append(self.sequence())
        return options[0] if len(options) == 1 else ('or', options)

    def sequence(self):
        items = []
        while self.peek() not in ('', '|', ')'):
            if self.flags & X:
                if self.peek() in _SPACE:
                    self.at += 1
                    continue
                if self.peek() == '#':
                    while self.peek() not in ('', '\n'):
                        self.at += 1
                    continue
            items.append(self.repeated(self.atom()))
        return ('seq', items)

    def repeated(self, node):
        while True:
            c = self.peek()
            if c == '*':
                low, high = 0, None
            elif c == '+':
                low, high = 1, None
            elif c == '?':
                low, high = 0, 1
            elif c == '{':
                bounds = self.bounds()
                if bounds is None:
                    return node
                low, high = bounds
                self.at -= 1
            else:
                return node
            self.at += 1
            lazy = self.eat('?')
            node = ('repeat', node, low, high, lazy)

    def bounds(self):
        end = self.text.find('}', self.at)
        body = self.text[self.at + 1:end] if end > 0 else ''
        low, comma, high = body.partition(',')
        if not (low.isdigit() or (comma and not low)) or not (high.isdigit() or not high):
            return None
        self.at = end + 1
        low = int(low or 0)
        return low, (int(high) if high else None) if comma else low

    def atom(self):
        c = self.take()
        if c == '.':
            return ('any',)
        if c == '^':
            return ('begin',)
        if c == '$':
            return ('end',)
        if c == '[':
            return self.char_class()
        if c == '(':
            return self.group()
        if c == '\\':
            return self.escape()
        if c in '*+?':
            raise error('nothing to repeat')
        return ('char', c)

    def escape(self):
        c = self.take()
        if c in _CLASSES:
            return ('class', [_CLASSES[c]], False)
        if c in 'bB':
            return ('boundary', c == 'b')
        if c == 'A':
            return ('start',)
        if c == 'Z':
            return ('stop',)
        if c.isdigit() and c != '0':
            return ('back', int(c))
        if c == 'x':
            return ('char', chr(int(self.take() + self.take(), 16)))
        return ('char', _ESCAPES.get(c, c))

    def char_class(self):
        inverted = self.eat('^')
        items, first = [], True
        while first or self.peek() != ']':
            first = False
            c = self.take()
            if c == '\\':
                node = self.escape()
                if node[0] == 'class':
                    items += node[1]
                    continue
                c = '\b' if node[0] == 'boundary' else node[1]
            if self.peek() == '-' and self.at + 1 < len(self.text) and self.text[self.at + 1] != ']':
                self.at += 1
                high = self.take()
                if high == '\\':
                    high = self.escape()[1]
                items.append((c, high))
            else:
                items.append((c, c))
        self.at += 1
        return ('class', items, inverted)

    def group(self):
        if self.eat('?:'):
            node = self.alternatives()
        elif self.eat('?='):
            node = ('ahead', self.alternatives(), True)
        elif self.eat('?!'):
            node = ('ahead', self.alternatives(), False)
        elif self.eat('?P='):
            end = self.text.index(')', self.at)
            node = ('back', self.names[self.text[self.at:end]])
            self.at = end
        else:
            if self.eat('?P<'):
                end = self.text.index('>', self.at)
                name = self.text[self.at:end]
                self.at = end + 1
                self.names[name] = self.groups + 1
            elif self.peek() == '?':
                raise error('this kind of group is not supported')
            self.groups += 1
            number = self.groups
            node = ('group', self.alternatives(), number)
        if not self.eat(')'):
            raise error('a parenthesis is not closed')
        return node


class _Matcher:
    """Matches nodes by continuation: `go(node, at, then)` is the end of the match, or None."""

    def __init__(self, text, flags):
        self.text, self.flags, self.spans = text, flags, {}

    def go(self, node, at, then):
        return getattr(self, '_' + node[0])(node, at, then)

    def _one(self, accept, at, then):
        if at < len(self.text) and accept(self.text[at]):
            return then(at + 1)
        return None

    def _char(self, node, at, then):
        if self.flags & I:
            return self._one(lambda c: c.lower() == node[1].lower(), at, then)
        return then(at + 1) if at < len(self.text) and self.text[at] == node[1] else None

    def _any(self, node, at, then):
        return self._one(lambda c: c != '\n' or self.flags & S, at, then)

    def _class(self, node, at, then):
        def inside(c):
            for item in node[1]:
                if callable(item):
                    if item(c):
                        return True
                elif item[0] <= c <= item[1]:
                    return True
                elif self.flags & I and (item[0] <= c.lower() <= item[1] or item[0] <= c.upper() <= item[1]):
                    return True
            return False
        return self._one(lambda c: inside(c) != node[2], at, then)

    def _seq(self, node, at, then):
        items = node[1]

        def step(i, here):
            if i == len(items):
                return then(here)
            return self.go(items[i], here, lambda after: step(i + 1, after))
        return step(0, at)

    def _or(self, node, at, then):
        for option in node[1]:
            end = self.go(option, at, then)
            if end is not None:
                return end
        return None

    def _simple(self, node):
        """Whether a node takes exactly one character."""
        return node[0] in ('char', 'any', 'class')

    def _repeat(self, node, at, then):
        _, inner, low, high, lazy = node
        if self._simple(inner) and not lazy:
            ends = [at]
            while high is None or len(ends) <= high:
                after = self.go(inner, ends[-1], lambda end: end)
                if after is None:
                    break
                ends.append(after)
            while len(ends) > low:
                end = then(ends.pop())
                if end is not None:
                    return end
            return None

        def more(count, here):
            def again():
                if high is not None and count >= high:
                    return None
                return self.go(inner, here, lambda after: None if after == here and count >= low
                               else more(count + 1, after))
            if count < low:
                return again()
            if lazy:
                end = then(here)
                return again() if end is None else end
            end = again()
            return then(here) if end is None else end
        return more(0, at)

    def _group(self, node, at, then):
        old = self.spans.get(node[2])

        def close(end):
            before = self.spans.get(node[2])
            self.spans[node[2]] = (at, end)
            result = then(end)
            if result is None:
                self.spans[node[2]] = before
            return result
        end = self.go(node[1], at, close)
        if end is None:
            self.spans[node[2]] = old
        return end

    def _back(self, node, at, then):
        span = self.spans.get(node[1])
        if span is None:
            return None
        text = self.text[span[0]:span[1]]
        return then(at + len(text)) if self.text.startswith(text, at) else None

    def _ahead(self, node, at, then):
        found = self.go(node[1], at, lambda end: end) is not None
        return then(at) if found == node[2] else None

    def _begin(self, node, at, then):
        ok = at == 0 or (self.flags & M and self.text[at - 1] == '\n')
        return then(at) if ok else None

    def _end(self, node, at, then):
        rest = len(self.text) - at
        ok = rest == 0 or (rest == 1 and self.text[at] == '\n') or (self.flags & M and self.text[at] == '\n')
        return then(at) if ok else None

    def _start(self, node, at, then):
        return then(at) if at == 0 else None

    def _stop(self, node, at, then):
        return then(at) if at == len(self.text) else None

    def _boundary(self, node, at, then):
        word = _CLASSES['w']
        before = at > 0 and word(self.text[at - 1])
        after = at < len(self.text) and word(self.text[at])
        return then(at) if (bool(before) != bool(after)) == node[1] else None


class Match:
    """A match: `group`, `groups`, `groupdict`, `start`, `end`, `span`."""

    def __init__(self, pattern, text, start, end, spans):
        self.re, self.string = pattern, text
        self._spans = {0: (start, end), **{k: v for k, v in spans.items() if v is not None}}

    def _number(self, group):
        if isinstance(group, str):
            if group not in self.re.groupindex:
                raise IndexError('no such group')
            return self.re.groupindex[group]
        if not 0 <= group <= self.re.groups:
            raise IndexError('no such group')
        return group

    def span(self, group=0):
        return self._spans.get(self._number(group), (-1, -1))

    def start(self, group=0):
        return self.span(group)[0]

    def end(self, group=0):
        return self.span(group)[1]

    def _text(self, group, default=None):
        start, end = self.span(group)
        return default if start < 0 else self.string[start:end]

    def group(self, *groups):
        if not groups:
            return self._text(0)
        values = tuple(self._text(g) for g in groups)
        return values[0] if len(values) == 1 else values

    def __getitem__(self, group):
        return self._text(group)

    def groups(self, default=None):
        return tuple(self._text(i, default) for i in range(1, self.re.groups + 1))

    def groupdict(self, default=None):
        return {name: self._text(i, default) for name, i in self.re.groupindex.items()}

    @property
    def lastindex(self):
        return max((i for i in self._spans if i), default=None)

    def expand(self, template):
        result, i = '', 0
        while i < len(template):
            c = template[i]
            if c == '\\' and i + 1 < len(template):
                d = template[i + 1]
                if d == 'g':
                    end = template.index('>', i)
                    name = template[i + 3:end]
                    result += self._text(int(name) if name.isdigit() else name, '')
                    i = end + 1
                    continue
                if d.isdigit():
                    result += self._text(int(d), '')
                else:
                    result += _ESCAPES.get(d, d)
                i += 2
                continue
            result += c
            i += 1
        return result


class Pattern:
    """A pattern, ready to be matched."""

    def __init__(self, pattern, flags=0):
        self.pattern, self.flags = pattern, flags
        while pattern.startswith('(?') and pattern[2:3] in 'imsx' and ')' in pattern:
            letters, _, pattern = pattern[2:].partition(')')
            for letter in letters:
                self.flags |= {'i': I, 'm': M, 's': S, 'x': X}[letter]
        parser = _Parser(pattern, self.flags)
        self._node = parser.alternatives()
        if parser.at != len(parser.text):
            raise error('a parenthesis is not opened')
        self.groups, self.groupindex = parser.groups, parser.names

    def _match(self, text, at, complete=False):
        matcher = _Matcher(text, self.flags)
        end = matcher.go(self._node, at, lambda e: e if not complete or e == len(text) else None)
        return None if end is None else Match(self, text, at, end, matcher.spans)

    def match(self, text, pos=0, endpos=None):
        return self._match(text if endpos is None else text[:endpos], pos)

    def fullmatch(self, text, pos=0):
        return self._match(text, pos, True)

    def search(self, text, pos=0):
        for at in range(pos, len(text) + 1):
            found = self._match(text, at)
            if found:
                return found
        return None

    def finditer(self, text, pos=0):
        while pos <= len(text):
            found = self.search(text, pos)
            if not found:
                return
            yield found
            pos = found.end() if found.end() > found.start() else found.end() + 1

    def findall(self, text, pos=0):
        result = []
        for found in self.finditer(text, pos):
            groups = found.groups('')
            result.append(found.group() if not groups else groups[0] if len(groups) == 1 else groups)
        return result

    def subn(self, replacement, text, count=0):
        result, last, n = '', 0, 0
        for found in self.finditer(text):
            if count and n >= count:
                break
            result += text[last:found.start()]
            result += replacement(found) if callable(replacement) else found.expand(replacement)
            last, n = found.end(), n + 1
        return result + text[last:], n

    def sub(self, replacement, text, count=0):
        return self.subn(replacement, text, count)[0]

    def split(self, text, maxsplit=0):
        result, last, n = [], 0, 0
        for found in self.finditer(text):
            if maxsplit and n >= maxsplit:
                break
            if found.start() == found.end():
                continue
            result.append(text[last:found.start()])
            result += found.groups()
            last, n = found.end(), n + 1
        return result + [text[last:]]


_known = {}


def compile(pattern, flags=0):
    if isinstance(pattern, Pattern):
        return pattern
    key = pattern, flags
    if key not in _known:
        _known[key] = Pattern(pattern, flags)
    return _known[key]


def match(pattern, text, flags=0):
    return compile(pattern, flags).match(text)


def fullmatch(pattern, text, flags=0):
    return compile(pattern, flags).fullmatch(text)


def search(pattern, text, flags=0):
    return compile(pattern, flags).search(text)


def findall(pattern, text, flags=0):
    return compile(pattern, flags).findall(text)


def finditer(pattern, text, flags=0):
    return compile(pattern, flags).finditer(text)


def sub(pattern, replacement, text, count=0, flags=0):
    return compile(pattern, flags).sub(replacement, text, count)


def subn(pattern, replacement, text, count=0, flags=0):
    return compile(pattern, flags).subn(replacement, text, count)


def split(pattern, text, maxsplit=0, flags=0):
    return compile(pattern, flags).split(text, maxsplit)


def escape(text):
    return ''.join(c if c.isalnum() or c == '_' else '\\' + c for c in text)


def purge():
    _known.clear()
