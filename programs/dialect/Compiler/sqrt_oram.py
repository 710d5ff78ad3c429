"""Square-root ORAM by its name and its parameters: see `oram` for what it is here."""

from Compiler.oram import *  # noqa: F401,F403
from Compiler.oram import LinearORAM as _LinearORAM
from Compiler.registers import plain, sint


class SqrtOram(_LinearORAM):
    """An oblivious array of what stands in `data`: single values, or rows of `entry_length` values."""

    def __init__(self, data, entry_length=1, value_type=sint, k=0, period=None, initialize=True, empty_data=False):
        size = data if isinstance(data, int) else len(data)
        _LinearORAM.__init__(self, size, value_type, entry_length)
        if isinstance(data, int) or empty_data:
            return
        for j, column in enumerate(self.columns):
            for i in range(size):
                entry = data[i]
                entry = entry if entry_length == 1 and not hasattr(entry, 'total_size') else entry[j]
                column[i] = self._to_plain(plain(entry))


SqrtORAM = SqrtOram
