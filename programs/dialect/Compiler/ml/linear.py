"""Linear equations with secret coefficients."""

from Compiler.containers import Array
from Compiler.fixed import sfix


def solve_linear(A, b, n_iterations=None, progress=False, n_threads=None, stop=False, already_symmetric=False,
                 precond=False):
    """x with A x = b for a symmetric positive definite A, by so many steps of conjugate gradients (as many as there are
    unknowns, if nothing is said); any other A is made one by multiplying both sides by its transpose."""
    if not already_symmetric and A.sizes[0] != A.sizes[1]:
        b = A.transpose().dot(b)
        A = A.transpose().dot(A)
    n = A.sizes[1]
    x = sfix(0, size=n)
    rest = b.get_vector()
    direction, square = rest, dot(rest, rest)
    column = Array(n, sfix)
    for _ in range(min(n_iterations or n, n)):
        column.assign_vector(direction)
        image = A.dot(column).get_vector()
        curvature = dot(direction, image)
        # once the rest is zero nothing moves any more
        ended = curvature <= 0
        step = square / (curvature + ended)
        step = step - step * ended
        x = x + direction * step
        rest = rest - image * step
        new = dot(rest, rest)
        over = square <= 0
        direction = rest + direction * (new / (square + over))
        square = new
    result = Array(n, sfix)
    result.assign_vector(x)
    return result


def dot(a, b):
    return sfix.dot_product(a, b)


def mean(values):
    """The mean of a vector."""
    values = values.get_vector() if hasattr(values, 'get_vector') else values
    return values.sum() / len(values)


def var(values):
    """The variance of a vector."""
    values = values.get_vector() if hasattr(values, 'get_vector') else values
    centre = mean(values)
    difference = values - centre
    return (difference * difference).sum() / len(values)
