"""Machine learning on secret data: layers of networks, their training, regressions, decision trees.

A layer holds its input `X`, its output `Y` and, for training, the gradients `nabla_X` and `nabla_Y`, each as a tensor
whose first dimension counts examples. An optimizer runs a list of layers forward and backward and changes their
weights.
"""

from Compiler.errors import UnknownName
from Compiler.ml.convolution import (  # noqa: F401
    AveragePool2d, Conv2d, FixAveragePool2d, FixConv2d, MaxPool, QuantAveragePool2d, QuantConv2d)
from Compiler.ml.functions import (  # noqa: F401
    approx_sigmoid, argmax, exp, log, relu, relu_prime, sigmoid, sigmoid_from_e_x, sigmoid_prime, softmax)
from Compiler.ml.layers import (  # noqa: F401
    Add, Argmax, BatchNorm, Concat, Dense, Dropout, Flatten, FusedBatchNorm, Layer, Relu, Square)
from Compiler.ml.optimizers import Adam, Optimizer, SGD  # noqa: F401
from Compiler.ml.linear import mean, solve_linear, var  # noqa: F401
from Compiler.ml.outputs import LinearOutput, MultiOutput, Output  # noqa: F401
from Compiler.ml.regression import SGDLinear, SGDLogistic  # noqa: F401
from Compiler.ml import keras  # noqa: F401

ReLU = Relu
DenseBase = Linear = Dense
FixBase = QuantBase = Layer


def set_n_threads(_n):
    """Accepted: work on vectors is not dealt to threads."""


def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    raise UnknownName('not supported: ml.%s\n  remedy: write it with matrix products (Matrix.dot) and mpc_math' % name)
