"""ONNX models in NumPy: what the operators of a file mean, from their specification.

An independent reader: the file is decoded and checked by Debian's onnx package, and each
operator is written down here as the specification words it
(https://onnx.ai/onnx/operators/), slow and plain.
"""
import math

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPERATORS = {}


def operator(function):
    """Registers a function under its name without the underscore."""
    OPERATORS[function.__name__.strip("_")] = function
    return function


class Model:
    """A checked file. run() maps input arrays to output arrays, both by name."""

    def __init__(self, data: bytes):
        self.proto = onnx.load_from_string(data)
        onnx.checker.check_model(self.proto, full_check=True)
        graph = self.proto.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.inputs = [value.name for value in graph.input]
        self.outputs = [value.name for value in graph.output]
        self.metadata = {entry.key: entry.value for entry in self.proto.metadata_props}

    def operators(self):
        return {node.op_type for node in self.proto.graph.node}

    def run(self, inputs):
        values = dict(self.constants)
        for name in self.inputs:
            values[name] = inputs[name]
        for node in self.proto.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            arguments = [values[name] if name else None for name in node.input]
            if node.op_type == "Split":
                attributes["parts"] = len(node.output)
            result = OPERATORS[node.op_type](*arguments, **attributes)
            if not isinstance(result, tuple):
                result = (result,)
            values.update(zip(node.output, result))
        return {name: values[name] for name in self.outputs}


# ---- numbers ----

@operator
def Add(a, b):
    return a + b


@operator
def Sub(a, b):
    return a - b


@operator
def Mul(a, b):
    return a * b


@operator
def Div(a, b):
    return a / b


@operator
def Neg(x):
    return -x


@operator
def Sqrt(x):
    return np.sqrt(x)


@operator
def Erf(x):
    return np.vectorize(math.erf)(x).astype(x.dtype)


@operator
def IsNaN(x):
    return np.isnan(x)


@operator
def IsInf(x):
    return np.isinf(x)


@operator
def Or(a, b):
    return a | b


@operator
def Greater(a, b):
    return a > b


@operator
def Where(condition, a, b):
    return np.where(condition, a, b)


@operator
def Cast(x, to):
    return x.astype(helper.tensor_dtype_to_np_dtype(to)
                    if hasattr(helper, "tensor_dtype_to_np_dtype")
                    else onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[to])


# ---- activations ----

@operator
def Relu(x):
    return np.maximum(x, 0)


@operator
def LeakyRelu(x, alpha=0.01):
    return np.where(x < 0, np.float32(alpha) * x, x)


@operator
def Elu(x, alpha=1.0):
    return np.where(x < 0, np.float32(alpha) * (np.exp(np.minimum(x, 0)) - 1), x)


@operator
def Sigmoid(x):
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


@operator
def Tanh(x):
    return np.tanh(x)


@operator
def Softplus(x):
    return np.logaddexp(x, np.float32(0))


@operator
def Softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


# ---- shapes ----

@operator
def Reshape(x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


@operator
def Transpose(x, perm):
    return x.transpose(perm)


@operator
def Concat(*parts, axis):
    return np.concatenate(parts, axis=axis)


@operator
def Split(x, parts, axis=0):
    return tuple(np.split(x, parts, axis=axis))


@operator
def Gather(x, indices, axis=0):
    return np.take(x, indices, axis=axis)


@operator
def ReduceMean(x, axes, keepdims=1):
    return x.mean(axis=tuple(axes), keepdims=bool(keepdims))


@operator
def ReduceSum(x, axes, keepdims=1):
    return x.sum(axis=tuple(axes), keepdims=bool(keepdims))


@operator
def ArgMax(x, axis=0, keepdims=1):
    best = x.argmax(axis=axis)
    return np.expand_dims(best, axis) if keepdims else best


# ---- products and normalization ----

@operator
def MatMul(a, b):
    return a @ b


@operator
def Gemm(a, b, c=None, transB=0):
    y = a @ (b.T if transB else b)
    return y if c is None else y + c


@operator
def LayerNormalization(x, scale, bias, axis=-1, epsilon=1e-5):
    assert axis == -1
    d = x - x.mean(axis=-1, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + np.float32(epsilon)) * scale + bias


@operator
def BatchNormalization(x, scale, bias, mean, variance, epsilon=1e-5):
    shape = [1, -1] + [1] * (x.ndim - 2)
    factor = scale / np.sqrt(variance + np.float32(epsilon))
    return (x - mean.reshape(shape)) * factor.reshape(shape) + bias.reshape(shape)


# ---- windows ----

def windows(x, kernel_shape, strides, pads, dilations, fill):
    """[rows, channels, positions…] to [rows, channels, outputs…, taps…]."""
    n = len(kernel_shape)
    x = np.pad(x, [(0, 0), (0, 0)] + list(zip(pads[:n], pads[n:])), constant_values=fill)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel_shape, dilations)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(2, 2 + n)))
    cut = (slice(None),) * 2 + tuple(slice(None, None, s) for s in strides)
    return view[cut + tuple(slice(None, None, d) for d in dilations)]


@operator
def Conv(x, w, b=None, *, kernel_shape, strides, pads, dilations, group=1):
    view = windows(x, kernel_shape, strides, pads, dilations, 0)
    n = len(kernel_shape)
    y = []
    for part, filters in zip(np.split(view, group, axis=1), np.split(w, group)):
        y.append(np.tensordot(part, filters, axes=([1, *range(2 + n, 2 + 2 * n)],
                                                   [1, *range(2, 2 + n)])))
    y = np.moveaxis(np.concatenate(y, axis=-1), -1, 1)
    return y if b is None else y + b.reshape([1, -1] + [1] * n)


@operator
def MaxPool(x, kernel_shape, strides, pads):
    n = len(kernel_shape)
    view = windows(x, kernel_shape, strides, pads, [1] * n, -np.inf)
    return view.max(axis=tuple(range(2 + n, 2 + 2 * n)))


@operator
def AveragePool(x, kernel_shape, strides, pads, count_include_pad=0):
    n = len(kernel_shape)
    taps = tuple(range(2 + n, 2 + 2 * n))
    count = windows(np.ones_like(x), kernel_shape, strides, pads, [1] * n, count_include_pad)
    total = windows(x, kernel_shape, strides, pads, [1] * n, 0).sum(axis=taps)
    return total / count.sum(axis=taps)


@operator
def Tile(x, repeats):
    return np.tile(x, repeats)


@operator
def Expand(x, shape):
    return np.broadcast_to(x, shape)


@operator
def InstanceNormalization(x, scale, bias, epsilon=1e-5):
    axes, shape = tuple(range(2, x.ndim)), [1, -1] + [1] * (x.ndim - 2)
    d = x - x.mean(axis=axes, keepdims=True)
    z = d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + np.float32(epsilon))
    return z * scale.reshape(shape) + bias.reshape(shape)


# ---- steps ----

@operator
def LSTM(x, w, r, b=None, hidden_size=None):
    steps, rows, _ = x.shape
    bias = np.zeros(4 * hidden_size) if b is None else b[0, :4 * hidden_size] + b[0, 4 * hidden_size:]
    h, c, all_h = np.zeros((rows, hidden_size)), np.zeros((rows, hidden_size)), []
    for t in range(steps):
        i, o, f, g = np.split(x[t] @ w[0].T + h @ r[0].T + bias, 4, axis=1)
        c = Sigmoid(f) * c + Sigmoid(i) * np.tanh(g)
        h = Sigmoid(o) * np.tanh(c)
        all_h.append(h)
    return np.array(all_h, np.float32)[:, None], h[None].astype(np.float32)


@operator
def GRU(x, w, r, b=None, hidden_size=None, linear_before_reset=0):
    assert linear_before_reset == 1
    steps, rows, _ = x.shape
    b = np.zeros((1, 6 * hidden_size)) if b is None else b
    of_input, of_state = b[0, :3 * hidden_size], b[0, 3 * hidden_size:]
    h, all_h = np.zeros((rows, hidden_size)), []
    for t in range(steps):
        xz, xr, xn = np.split(x[t] @ w[0].T + of_input, 3, axis=1)
        hz, hr, hn = np.split(h @ r[0].T + of_state, 3, axis=1)
        z = Sigmoid(xz + hz)
        n = np.tanh(xn + Sigmoid(xr + hr) * hn)
        h = (1 - z) * n + z * h
        all_h.append(h)
    return np.array(all_h, np.float32)[:, None], h[None].astype(np.float32)


# ---- ai.onnx.ml ----

@operator
def OneHotEncoder(x, cats_strings, zeros=1):
    assert zeros == 1
    names = [name.decode() for name in cats_strings]
    return np.array([[[float(value == name) for name in names] for value in row] for row in x],
                    dtype=np.float32)
