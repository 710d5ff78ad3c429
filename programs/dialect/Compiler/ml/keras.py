"""Networks in the words of Keras: layers are described first, and made when the shape of the input is known."""

from Compiler.errors import CompilerError
from Compiler.ml import convolution, layers as made, optimizers as rules, outputs


class _Description:
    """A layer to be: `make(shape)` gives the layers for an input of that shape."""

    def __init__(self, make):
        self.make = make


def _activated(layer, activation):
    """A layer and what follows it; the last activation of a network becomes its output."""
    if activation in (None, 'linear'):
        return [layer]
    if activation == 'relu':
        return [layer, made.Relu(layer.output_shape)]
    if activation in ('softmax', 'sigmoid'):
        return [layer, activation]
    raise CompilerError('unknown activation %s' % activation, "use 'relu', 'softmax', 'sigmoid' or 'linear'")


class layers:
    """What `ml.keras.layers` offers."""

    @staticmethod
    def Dense(units, activation=None, **_ignored):
        def make(shape):
            inputs = made.product(shape[1:])
            if activation == 'relu':
                return [made.Dense(shape[0], inputs, units, activation='relu')]
            return _activated(made.Dense(shape[0], inputs, units), activation)
        return _Description(make)

    @staticmethod
    def Flatten(*_args, **_kwargs):
        return _Description(lambda shape: [])

    @staticmethod
    def Conv2D(filters, kernel_size, strides=(1, 1), padding='valid', activation=None, input_shape=None, **_ignored):
        def make(shape):
            height, width = convolution.pair(kernel_size)
            shape = list(shape) + [1] * (4 - len(shape))
            layer = convolution.FixConv2d(shape, [filters, height, width, shape[3]], stride=strides, padding=padding)
            return _activated(layer, activation)
        return _Description(make)

    @staticmethod
    def MaxPooling2D(pool_size=2, strides=None, padding='valid'):
        return _Description(lambda shape: [convolution.MaxPool(
            shape, convolution.pair(strides or pool_size), convolution.pair(pool_size), padding)])

    @staticmethod
    def AveragePooling2D(pool_size=2, strides=None, padding='valid'):
        return _Description(lambda shape: [convolution.AveragePool2d(
            shape, None, convolution.pair(pool_size), convolution.pair(strides or pool_size), padding)])

    @staticmethod
    def Dropout(rate, **_ignored):
        return _Description(lambda shape: [made.Dropout(shape[0], 1, made.product(shape[1:]), rate)])

    @staticmethod
    def BatchNormalization(*_args, **_kwargs):
        return _Description(lambda shape: [made.BatchNorm(shape)])

    @staticmethod
    def Activation(activation):
        return _Description(lambda shape: [made.Relu(shape)] if activation == 'relu' else [activation])


class optimizers:
    """What `ml.keras.optimizers` offers."""

    @staticmethod
    def SGD(learning_rate=0.01, momentum=0, **_ignored):
        return lambda stack: rules.SGD(stack, rate=learning_rate, momentum=momentum)

    @staticmethod
    def Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, amsgrad=False, **_ignored):
        def make(stack):
            adam = rules.Adam(stack, rate=learning_rate, amsgrad=amsgrad)
            adam.beta1, adam.beta2 = beta_1, beta_2
            return adam
        return make


class Predictions(list):
    """The answers of a model: a vector for each example."""

    @classmethod
    def of(cls, answers):
        return cls(answers) if isinstance(answers, list) else answers

    def reveal_nested(self):
        return [list(x.reveal()) if len(x) > 1 else x.reveal() for x in self]

    def print_reveal_nested(self, end='\n'):
        from Compiler.printing import print_str
        print_str('%s' + end, self.reveal_nested())

    def reveal(self):
        return self.reveal_nested()


class Sequential:
    """Layers one after the other."""

    def __init__(self, descriptions=()):
        self.descriptions = list(descriptions)
        self.optimizer = optimizers.SGD()
        self.opt = None

    def add(self, description):
        self.descriptions.append(description)

    def compile(self, optimizer=None, loss=None, metrics=None):
        if optimizer is not None:
            if isinstance(optimizer, str):
                optimizer = {'sgd': optimizers.SGD, 'adam': optimizers.Adam}[optimizer.lower()]()
            self.optimizer = optimizer

    def compile_by_args(self, program):
        self.optimizer = lambda stack: rules.Optimizer.from_args(program, stack)

    def build(self, input_shape, batch_size=None):
        """Makes the layers for inputs of this shape, examples first."""
        shape, stack, ending = list(input_shape), [], None
        for description in self.descriptions:
            if ending:
                raise CompilerError('%s is for the last layer only' % ending)
            for layer in description.make(shape):
                if isinstance(layer, str):
                    ending = layer
                else:
                    stack.append(layer)
                    shape = list(layer.output_shape)
        n, width = shape[0], made.product(shape[1:])
        if ending == 'softmax':
            stack.append(outputs.MultiOutput(n, width))
        elif ending == 'sigmoid':
            stack.append(outputs.Output(n))
        else:
            stack.append(outputs.LinearOutput(n, width))
        self.opt = self.optimizer(stack)

    @property
    def layers(self):
        return self.opt.layers

    @property
    def trainable_variables(self):
        return self.opt.trainable_variables

    def summary(self):
        self.opt.summary()

    def reset(self):
        self.opt.reset()

    def fit(self, X, Y, batch_size=128, epochs=1, validation_data=None, reset=True, **_ignored):
        if self.opt is None:
            self.build(X.sizes)
        return self.opt.fit(X, Y, epochs, batch_size, validation_data, reset=reset)

    def predict(self, X, batch_size=None):
        if self.opt is None:
            raise CompilerError('the model is not built', 'call build(shape) or fit first')
        return Predictions.of(self.opt.eval(X))


class models:
    """What `ml.keras.models` offers."""

    Sequential = Sequential
