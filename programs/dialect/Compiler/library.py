"""What programs call: loops, branches, functions, printing, clients."""

from Compiler.errors import CompilerError, NotCompileTime
from Compiler.program import P
from Compiler.printing import (  # noqa: F401
    print_both, print_float_prec, print_float_precision, print_ln, print_ln_if, print_ln_to, print_str, print_str_if)
from Compiler.registers import Public, Register, Secret, cint, plain, regint, sint
from Compiler.containers import Array, MemValue
from Compiler.branches import else_then, end_if, if_then  # noqa: F401
from Compiler.vectorized import (  # noqa: F401
    get_global_vector_size, reset_global_vector_size, set_global_vector_size, vectorize, vectorize_init,
    vectorized_classmethod)
from Compiler.control import (  # noqa: F401
    and_, break_loop, do_while, do_loop, else_, for_range, for_range_multithread, for_range_opt,
    for_range_opt_multithread, for_range_parallel, function, function_block, get_arg, if_, if_e, if_else_block,
    if_statement, loopy_chunkier_odd_even_merge_sort, map_reduce, map_reduce_single, map_sum, map_sum_opt,
    map_sum_simple, memorize, method_block, multithread, not_, or_, start_timer, stop_timer, time, tree_reduce,
    tree_reduce_multithread, while_do, while_loop, range_loop, unmemorize, foreach_enumerate, for_range_opt_,
    method_tape, dynamic_function, set_instruction_type, export)



def get_number_of_players():
    """The number of parties that run the program."""
    r = regint.new(1)
    P.emit('nplayers 0 %s' % r.t)
    return r


def get_player_id():
    """The number of the party that asks: a value that differs between parties."""
    from Compiler.parties import personal
    r = regint.new(1)
    P.emit('playerid 0 %s' % r.t)
    return r


def get_threshold():
    """The largest number of parties that may be corrupted."""
    r = regint.new(1)
    P.emit('threshold 0 %s' % r.t)
    return r


def get_thread_number():
    r = regint.new(1)
    P.emit('ldtn 1 %s' % r.t)
    return r


def get_cmdline_arg(index):
    r = regint.new(1)
    P.emit('cmdlinearg 1 %s %s' % (r.t, regint.conv(index).t))
    return r


def public_input():
    """The next number of the program's public input."""
    return cint.public_input()


def crash(condition=None):
    """Ends the program with an error, if the condition holds."""
    if condition is None:
        condition = regint(1)
    if isinstance(condition, Secret):
        raise NotCompileTime(condition.kind, 'to stop the program; reveal it first')
    P.emit('crash 0 %s' % regint.conv(plain(condition)).t)


def runtime_error(message='', *args):
    """Prints a message and ends the program."""
    print_str('User exception: ')
    print_ln(message, *args)
    crash()


def runtime_error_if(condition, message='', *args):
    print_str_if(condition, 'User exception: ')
    print_ln_if(condition, message, *args)
    crash(condition)


def check_point():
    P.new_block()
    P.emit('check 0')


def start_grind():
    P.emit('start_grind 0')


def stop_grind():
    P.emit('stop_grind 0')


def if_else(condition, a, b):
    """`a` where the bit is one, `b` where it is zero."""
    condition = plain(condition)
    if isinstance(condition, (int, bool)):
        return a if condition else b
    return condition.if_else(a, b)


def cond_swap(a, b):
    """The two values in order."""
    less = a < b
    return less.if_else(a, b), less.if_else(b, a)


def get_same_type(values):
    return type(plain(values[0]))


# -- clients

def listen_for_clients(port):
    """Opens a port for clients; party i listens on port + i."""
    P.emit('listen 0 %s' % regint.conv(port).t)


def accept_client_connection(port, players=None):
    """Waits for the next client of the port and returns its number."""
    client = regint.new(1)
    P.emit('acceptclientconnection 0 %s %s' % (client.t, regint.conv(port).t))
    return client


def init_client_connection(host, port, my_id, relative_port=True):
    from Compiler.program import quote
    client = regint.new(1)
    port = regint.conv(port)
    if relative_port:
        port = port + get_player_id()
    P.emit('initclientconnection 0 %s %s %s %s' % (client.t, port.t, regint.conv(my_id).t, quote(host)))
    return client


# -- sorting and the like

def sort(values, n_threads=None):
    values.sort()


def get_program():
    return P


def get_tape():
    return P.curr_tape


def get_block():
    return P.curr_tape


def set_bit_length(bits):
    P.set_bit_length(bits)


def break_point(name=''):
    P.new_block()


def mov(target, source):
    target.update(source)


def approximate_reciprocal(divisor, k, f, theta):
    raise CompilerError('approximate_reciprocal is not supported', 'use 1 / x on sfix')


def cint_cint_division(a, b, k, f):
    from Compiler import division
    return division.clear_division(a, b, k, f)


def sint_cint_division(a, b, k, f, *_args):
    from Compiler import division
    return division.secret_by_clear(a, b, k, f)


def IntDiv(a, b, k):
    from Compiler import division
    return division.int_div(a, b, k)


def FPDiv(a, b, k, f, *_args, **_kwargs):
    from Compiler import division
    return division.fixed_division(a, b, k, f)


def get_random_bit():
    return sint.get_random_bit()
