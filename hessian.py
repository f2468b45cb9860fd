"""Curvature of a scalar function: its gradient, its Hessian, and what the eigenvalues say.

    >>> bowl = hessian(lambda p: p[..., 0] ** 2 - 3 * p[..., 1] ** 2, [0.0, 0.0])
    >>> eigenvalues(bowl)
    array([-6.,  2.])
    >>> definiteness(eigenvalues(bowl))
    'indefinite'

Every function takes one point or many: the last axis holds the n parameters, and any axes before it
are points that do not depend on one another. All of it is float64, so that the sign of a small
eigenvalue is a statement about the function and not about rounding.
"""

import contextlib
import os

import numpy as np


@contextlib.contextmanager
def _silent_stderr():
    """Send the process's standard error to nowhere, below Python, where C++ libraries write."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


# TensorFlow's libraries greet on standard error before they read the level that would silence them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent_stderr():
    import tensorflow as tf

ZERO = 1e-3  # an eigenvalue this small beside the largest counts as zero


def gradient(function, params):
    """Differentiate a scalar TensorFlow function of a parameter vector.

    function maps a tensor (..., n) to one (...,), each value depending on its own n parameters only;
    params is a tensor (..., n). Returns the tensor (..., n) of partial derivatives.
    """
    with tf.GradientTape() as tape:
        tape.watch(params)
        value = function(params)
    return tape.gradient(value, params, unconnected_gradients="zero")


def hessian(objective, params):
    """Compute the matrix of second derivatives H_ij = d2 objective / d params_i d params_j.

    objective is as in `gradient`; params is an array (..., n). Returns the array (..., n, n) in
    float64: the gradient of each entry of the gradient, all points in one call.
    """
    return second_derivatives(objective, tf.constant(np.asarray(params, np.float64))).numpy()


def second_derivatives(objective, params):
    """Compute `hessian` from tensor to tensor, so that it can be compiled."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        slopes = tf.unstack(gradient(objective, params), axis=-1)
    rows = [tape.gradient(slope, params, unconnected_gradients="zero") for slope in slopes]
    return tf.stack(rows, axis=-2)


def eigenvalues(hessians):
    """Compute the eigenvalues of symmetric matrices (..., n, n): an array (..., n), ascending."""
    return np.linalg.eigvalsh(hessians)


def definiteness(eigenvalues, tolerance=ZERO):
    """Name the sign pattern of a Hessian's eigenvalues (n,).

    'indefinite' has both signs; 'positive definite' and 'negative definite' one; 'positive
    semidefinite' and 'negative semidefinite' one and zeros; 'zero' none. An eigenvalue counts as
    zero if its magnitude is at most tolerance times the largest magnitude: where it lies at
    rounding's mercy it says nothing.
    """
    size = np.abs(eigenvalues)
    signs = np.sign(np.where(size > tolerance * size.max(), eigenvalues, 0))
    if signs.min() < 0 < signs.max():
        return "indefinite"
    if not signs.any():
        return "zero"
    return f"{'negative' if signs.min() < 0 else 'positive'} {'definite' if signs.all() else 'semidefinite'}"
