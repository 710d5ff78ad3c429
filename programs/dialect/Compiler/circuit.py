"""Boolean circuits by name, and those of files in Bristol fashion that the author names."""

from Compiler.errors import CompilerError
from Compiler.hashes import (  # noqa: F401
    Keccak, hmac_sha256, planes_of, sha256, sha3_224, sha3_256, sha3_384, sha3_512)
from Compiler.program import P


class Circuit:
    """A circuit on `sbitvec`s or lists of `sbits`: `aes_128` and `sha256`'s functions are built in; others are read from
    `Programs/Circuits/NAME.txt` beside the program or from a file of that name."""

    def __init__(self, name):
        self.name = name
        self.gates = None if name in ('aes_128', 'Keccak_f') else bristol(name)

    def __call__(self, *inputs):
        if self.name == 'aes_128':
            from Compiler import aes
            return aes.circuit(*inputs)
        from Compiler.GC.types import sbitvec
        planes = [planes_of(x) for x in inputs]
        if self.name == 'Keccak_f':
            from Compiler.hashes import keccak_f
            return sbitvec.from_vec(keccak_f(planes[0]))
        results = [sbitvec.from_vec(part) for part in self.gates.run(planes)]
        return results[0] if len(results) == 1 else results


class Bristol:
    """Gates of a file: each is an operation, its inputs and its outputs, all as numbers of wires."""

    def __init__(self, name, text):
        lines = [line.split() for line in text.split('\n') if line.strip()]
        try:
            self.wires = int(lines[0][1])
            counts = [[int(x) for x in line] for line in lines[1:3]]
            if len(counts[0]) > 1 and counts[0][0] == len(counts[0]) - 1 and counts[1][0] == len(counts[1]) - 1:
                self.inputs, self.outputs, rest = counts[0][1:], counts[1][1:], lines[3:]
            else:
                # the older form: bits of both inputs and of the output
                self.inputs, self.outputs, rest = [x for x in counts[0][:2] if x], [counts[0][2]], lines[2:]
            self.steps = [self._step(line) for line in rest]
        except (IndexError, ValueError):
            raise CompilerError('%s is not a circuit in Bristol fashion' % name) from None

    @staticmethod
    def _step(line):
        n_in, n_out = int(line[0]), int(line[1])
        numbers = [int(x) for x in line[2:2 + n_in + n_out]]
        return line[-1], numbers[:n_in], numbers[n_in:]

    def run(self, inputs):
        """The planes of the outputs for the planes of the inputs."""
        if [len(planes) for planes in inputs] != self.inputs:
            raise CompilerError('this circuit takes inputs of %s bits, not of %s' % (
                self.inputs, [len(planes) for planes in inputs]))
        wires = dict(enumerate(plane for planes in inputs for plane in planes))
        lanes = wires[0].n
        for operation, sources, targets in self.steps:
            self._apply(operation, sources, targets, wires, lanes)
        at, results = self.wires - sum(self.outputs), []
        for length in self.outputs:
            results.append([wires[at + i] for i in range(length)])
            at += length
        return results

    @staticmethod
    def _apply(operation, sources, targets, wires, lanes):
        from Compiler.hashes import constant
        if operation == 'EQ':
            wires[targets[0]] = constant(sources[0], lanes)
            return
        values = [wires[s] for s in sources]
        if operation == 'XOR':
            wires[targets[0]] = values[0] ^ values[1]
        elif operation == 'AND':
            wires[targets[0]] = values[0] & values[1]
        elif operation == 'OR':
            wires[targets[0]] = values[0] | values[1]
        elif operation in ('INV', 'NOT'):
            wires[targets[0]] = ~values[0]
        elif operation == 'EQW':
            wires[targets[0]] = values[0]
        elif operation == 'MAND':
            half = len(values) // 2
            for target, a, b in zip(targets, values[:half], values[half:]):
                wires[target] = a & b
        else:
            raise CompilerError('a circuit has no gate %s' % operation)


def bristol(name):
    """The circuit of a file that came with the program."""
    for candidate in (name, name + '.txt'):
        if candidate in P.files:
            return Bristol(name, P.files[candidate])
    raise CompilerError('there is no circuit %r' % name,
                        'name a file in Bristol fashion that lies in Programs/Circuits or beside the program, in a text '
                        "of the program: Circuit('%s')" % name)


def ieee_float(*_args):
    raise CompilerError('not supported: ieee_float', 'sfloat and sfix compute with fractions')
