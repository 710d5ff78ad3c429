"""Runs the dialect library under a system Python: job and sources on standard input, the answer on standard output."""
import importlib.abc
import importlib.util
import json
import os
import resource
import sys


class Library(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The library's modules, from memory; its stand-ins for standard modules are not used."""

    def __init__(self, sources):
        self.sources = {}
        for path, text in sources:
            parts = path[:-3].split('/')
            package = parts[-1] == '__init__'
            name = '.'.join(parts[:-1] if package else parts)
            if name.split('.')[0] == 'Compiler':
                self.sources[name] = (text, package, path)

    def find_spec(self, name, path=None, target=None):
        if name in self.sources:
            return importlib.util.spec_from_loader(name, self, is_package=self.sources[name][1])
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        text, _, path = self.sources[module.__name__]
        exec(compile(text, '<dialect>/' + path, 'exec'), module.__dict__)


def limit(what, most):
    """Lowers a limit of this process and of what it starts; one that is lower already stays."""
    for old in resource.getrlimit(what):
        most = most if old == resource.RLIM_INFINITY else min(most, old)
    resource.setrlimit(what, (most, most))


request = json.load(sys.stdin)
job = request['job']
limit(resource.RLIMIT_CORE, 0)
limit(resource.RLIMIT_CPU, job['cpu_seconds'])
limit(resource.RLIMIT_AS, job['memory_bytes'])
sys.meta_path.insert(0, Library(request['sources']))
out = os.fdopen(os.dup(1), 'w', encoding='utf-8')
sys.stdout = sys.stderr
from Compiler.main import compile_job
record = []
error = compile_job(job['source'], job['file'], job['name'], '\0'.join(job['args']), '\0'.join(job['settings']), record.append, '\0'.join(job['modules']))
if error is None:
    out.write('ok\n')
    for piece in record:
        out.write(piece)
else:
    out.write('error\n' + error)
out.close()
