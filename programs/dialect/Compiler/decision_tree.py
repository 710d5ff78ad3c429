"""Decision trees of two classes, trained on secret data (after Hamada, Ikarashi, Kikuchi and Chida, 2021).

A tree of depth h is always complete, and every candidate for a split is looked at in every node, so that nothing about
the data shows. For each attribute the examples are sorted once; a split lies between neighbours and is rated by Gini's
impurity, as the fraction ((l0^2 + l1^2) r + (r0^2 + r1^2) l) / (l r) of the class counts left and right of it. What is
paid grows with 2^h, with the number of attributes, and with the number of examples.
"""

from Compiler.containers import Array, Matrix
from Compiler.errors import CompilerError
from Compiler.fixed import _Fixed
from Compiler.printing import print_ln
from Compiler.registers import plain, regint, sint
from Compiler.sorting import sort_matrix


def integers(x):
    """The numbers of a vector, for fixed point those that stand for it."""
    x = plain(x)
    return x.v if isinstance(x, _Fixed) else sint.conv(x)


class _Sorted:
    """The examples in the order of one attribute."""

    def __init__(self, rows, attribute):
        n, width = rows.sizes
        ordered = Matrix(n, width + 1, sint)
        ordered.set_column(0, rows.get_column(attribute))
        for j in range(width):
            ordered.set_column(j + 1, rows.get_column(j))
        sort_matrix(ordered)
        self.values = ordered.get_column(0)
        self.attributes = [ordered.get_column(j + 1) for j in range(width - 1)]
        self.label = ordered.get_column(width)
        # a split needs different values on both sides
        self.distinct = self.values.get_vector(0, n - 1) != self.values.get_vector(1, n - 1)
        # which examples are in each node of the current level
        self.members = [sint(1, size=n)]


def _prefix(vector):
    return vector.prefix_sum().get_vector(0, vector.size - 1)


class _Splits:
    """All splits of one node: numerators and denominators of their ratings, and what they are."""

    def __init__(self, numerator, denominator, attribute, threshold):
        self.parts = [numerator, denominator, attribute, threshold]

    def best(self):
        """The split of the highest rating: attribute and threshold."""
        parts = self.parts
        while parts[0].size > 1:
            half = parts[0].size // 2
            low = [p.get_vector(0, half) for p in parts]
            high = [p.get_vector(half, half) for p in parts]
            better = high[0] * low[1] > low[0] * high[1]
            merged = [a + better * (b - a) for a, b in zip(low, high)]
            if parts[0].size % 2:
                merged = [sint.concat([m, p.get_vector(2 * half, 1)]) for m, p in zip(merged, parts)]
            parts = merged
        return parts[2], parts[3]


def _ratings(order, members, attribute):
    """The splits of one node by one attribute."""
    ones, zeros = members * order.label, None
    zeros = members - ones
    left1, left0 = _prefix(ones), _prefix(zeros)
    right1, right0 = ones.sum() - left1, zeros.sum() - left0
    left, right = left1 + left0, right1 + right0
    product = left * right
    useful = order.distinct * (product != 0)
    numerator = useful * ((left1 * left1 + left0 * left0) * right + (right1 * right1 + right0 * right0) * left)
    denominator = useful * product + (1 - useful)
    return numerator, denominator, sint(attribute, size=left.size), order.values.get_vector(0, left.size)


class TreeTrainer:
    """Trains on `x`, a row for each attribute, and labels `y`, 0 or 1; `train()` gives the tree.

    The tree is a list of levels: [attributes, thresholds] of inner nodes from left to right, and in the end [labels].
    An example with attribute <= threshold goes to the left."""

    def __init__(self, x, y, h, binary=False, attr_lengths=None, n_threads=None, **_ignored):
        self.h, self.width, n = h, len(x), len(y)
        if n < 2:
            raise CompilerError('a tree is trained on at least two examples')
        rows = Matrix(n, self.width + 1, sint)
        for j in range(self.width):
            rows.set_column(j, integers(x[j]))
        rows.set_column(self.width, integers(y))
        self.orders = [_Sorted(rows, j) for j in range(self.width)]

    def _split(self, node):
        parts = [_ratings(order, order.members[node], j) for j, order in enumerate(self.orders)]
        return _Splits(*(sint.concat(list(column)) for column in zip(*parts))).best()

    def _descend(self, splits):
        """Deals the members of every node to its children."""
        for order in self.orders:
            children = []
            for members, (attribute, threshold) in zip(order.members, splits):
                value = sum((attribute == j) * x for j, x in enumerate(order.attributes))
                left = members * (value <= threshold)
                children += [left, members - left]
            order.members = children

    def train(self):
        levels, order = [], self.orders[0]
        fallback = [sint(0)]
        for _ in range(self.h):
            fallback = [label for f, m in zip(fallback, order.members) for label in [self._majority(m, f)] * 2]
            splits = [self._split(node) for node in range(len(order.members))]
            levels.append([[a for a, _ in splits], [t for _, t in splits]])
            self._descend(splits)
        levels.append([[self._majority(m, f) for m, f in zip(order.members, fallback)]])
        return levels

    def train_with_testing(self, test_y, test_x, output=False):
        """Trains and prints how well the tree does on other examples, a row of `test_x` for each attribute."""
        tree = self.train()
        if output:
            output_decision_tree(tree)
        test_decision_tree('test', tree, test_y, test_x)
        return tree

    def _majority(self, members, fallback):
        """The more frequent class of a node; of an empty one, that of its parent."""
        ones, count = (members * self.orders[0].label).sum(), members.sum()
        return (count == 0).if_else(fallback, 2 * ones > count)


class TreeClassifier:
    """Training and prediction as scikit-learn has them."""

    def __init__(self, max_depth, n_threads=None):
        self.max_depth = max_depth
        self.tree = None

    def fit(self, X, y, attr_types=None):
        """Trains on rows of attributes and labels 0 or 1."""
        self.scale = getattr(X.value_type, 'f', 0)
        self.tree = TreeTrainer(X.transpose(), y, self.max_depth).train()
        return self

    def fit_with_testing(self, X_train, y_train, X_test, y_test, attr_types=None, output_trees=False):
        self.fit(X_train, y_train)
        if output_trees:
            self.output()
        for name, X, y in (('train', X_train, y_train), ('test', X_test, y_test)):
            correct = (self.predict(X).get_vector() == integers(y)).sum()
            print_ln('%s for depth %s: %s/%s', name, self.max_depth, regint(correct.reveal()), len(X))
        return self

    def predict(self, X):
        """The class of each row, in an array."""
        if self.tree is None:
            raise CompilerError('the tree is not trained', 'call fit(X, y) first')
        result = Array(len(X), sint)
        result.assign_vector(classes(self.tree, [integers(X.get_column(j)) for j in range(X.sizes[1])]))
        return result

    def output(self, names=None):
        """Prints the tree: everybody learns it."""
        output_decision_tree(self.tree, self.scale)


def classes(tree, columns):
    """The class of each example, given a vector for each attribute."""
    # the path as one bit for each node of the level
    at = [sint(1, size=columns[0].size)]
    for attributes, thresholds in tree[:-1]:
        below = []
        for here, attribute, threshold in zip(at, attributes, thresholds):
            value = sum((attribute == j) * x for j, x in enumerate(columns))
            left = here * (value <= threshold)
            below += [left, here - left]
        at = below
    return sum(here * label for here, label in zip(at, tree[-1][0]))


def run_decision_tree(tree, data):
    """The class of one example, given its attributes."""
    return classes(tree, [integers(sint.conv(x)) for x in data])


def test_decision_tree(name, tree, y, x, n_threads=None, time=False):
    """Prints how many examples the tree puts into the right class; `x` has a row for each attribute."""
    correct = (classes(tree, [integers(x[j]) for j in range(len(x))]) == integers(y)).sum()
    print_ln('%s accuracy: %s/%s', name, regint(correct.reveal()), len(y))


def output_decision_tree(tree, scale=0):
    """Prints the tree: everybody learns it."""
    from Compiler.fixed import cfix
    for depth, (attributes, thresholds) in enumerate(tree[:-1]):
        for number, (attribute, threshold) in enumerate(zip(attributes, thresholds)):
            value = threshold.reveal()
            shown = cfix._new(value, f=scale) if scale else value
            print_ln('level %s, node %s: attribute %s <= %s', depth, number, attribute.reveal(), shown)
    print_ln('leaves: %s', [label.reveal() for label in tree[-1][0]])


def preprocess(*_args):
    raise CompilerError('data frames exist under a system Python only', 'give attributes as a Matrix of numbers')


preprocess_pandas = preprocess
