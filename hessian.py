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
import gc
import os

import numpy as np


@contextlib.contextmanager
def _quiet_import():
    """Import without a word and without searching for garbage.

    C++ libraries write to the process's standard error, below Python's, before they read the level
    that would silence them. An import makes next to no garbage, and looking for it among all that
    stays takes a tenth of the time.
    """
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _quiet_import():
    import tensorflow as tf
tf.get_logger().setLevel("ERROR")  # no warnings that a process with many models compiles many times

ZERO = 1e-4  # an eigenvalue at most this large, beside the largest, counts as zero
STILL = 1e-3  # a gradient norm at most this large, beside the largest eigenvalue, counts as zero
NEUTRAL = 1e-4  # a factor of a game this close to 1 counts as 1
SEEN = 0.1  # a deviation that half a turn leaves smaller, beside what it was, shows no wave
STATIONARY = {
    "indefinite": "a saddle of V",
    "negative definite": "a local maximum of V, the worst point for G",
    "negative semidefinite": "a maximum of V or a flat saddle",
    "positive definite": "a local minimum of V, the worst point for D",
    "positive semidefinite": "a minimum of V or a flat saddle",
    "zero": "flat",
}
MOVING = {
    "indefinite": "saddle-shaped",
    "negative definite": "a plateau, not a maximum",
    "negative semidefinite": "a plateau, not a maximum",
    "positive definite": "bowl-shaped, not a minimum",
    "positive semidefinite": "bowl-shaped, not a minimum",
    "zero": "a flat slope",
}


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
    zero if its magnitude is at most tolerance times the largest.
    """
    size = np.abs(eigenvalues)
    signs = np.sign(np.where(size > tolerance * size.max(), eigenvalues, 0))
    if signs.min() < 0 < signs.max():
        return "indefinite"
    if not signs.any():
        return "zero"
    return f"{'negative' if signs.min() < 0 else 'positive'} {'definite' if signs.all() else 'semidefinite'}"


def is_stationary(eigenvalues, gradient_norms, tolerance=STILL):
    """Say whether both players' gradients vanish, measured by the curvature: eigenvalues (n,), norms (2,).

    They do if no norm exceeds tolerance times the largest magnitude of an eigenvalue, that is, if V's
    steepest curvature uses them up within a distance of `tolerance`. On a plateau, where everything is
    small, the gradient is not small beside the curvature.
    """
    return bool(np.max(gradient_norms) <= tolerance * np.abs(eigenvalues).max())


def verdict(eigenvalues, gradient_norms, tolerance=STILL):
    """Say in words what a point of V is, from its Hessian's eigenvalues (n,) and both gradient norms (2,).

    Only a stationary point (`is_stationary`) can be a saddle, a maximum or a minimum of V.
    """
    shape = definiteness(eigenvalues)
    if is_stationary(eigenvalues, gradient_norms, tolerance):
        return f"stationary, Hessian {shape}: {STATIONARY[shape]}"
    return f"still moving, Hessian {shape}: {MOVING[shape]}"


def game_jacobian(hessians, gen_hessians=None):
    """Compute the Jacobian (..., n, n) of the game's vector field v = (-grad_G loss_G, +grad_D V).

    hessians holds those of V (..., n, n), gen_hessians those of the generator's loss where it is
    not V; the first half of the parameters is the generator's. For the loss V it is the Hessian
    with the generator's rows negated (Mescheder et al. 2017, arXiv:1705.10461, sec. 3).
    """
    gen_hessians = hessians if gen_hessians is None else gen_hessians
    half = np.shape(hessians)[-1] // 2
    return np.concatenate([-gen_hessians[..., :half, :], hessians[..., half:, :]], axis=-2)


def game_multipliers(jacobian, learning_rate, discr_update, gen_update):
    """Compute by what complex factors one game multiplies small deviations: (..., n) eigenvalues.

    The linear map of a game is (I + rate J_G)^gen_update (I + rate J_D)^discr_update, each player's
    matrix holding that player's rows of the Jacobian. With one small step each, its eigenvalues are
    close to 1 + rate times the Jacobian's.
    """
    n = np.shape(jacobian)[-1]
    is_gen = (np.arange(n) < n // 2)[:, None]
    gen_step, discr_step = (np.eye(n) + learning_rate * jacobian * rows for rows in (is_gen, ~is_gen))
    power = np.linalg.matrix_power
    return np.linalg.eigvals(power(gen_step, gen_update) @ power(discr_step, discr_update))


def rotation_period(multipliers):
    """Compute in how many games deviations turn once: 2 pi / angle of the longest-lived complex pair.

    With one small step of each player in a game this is 2 pi / (rate * |Im|), Im being the imaginary
    part of the Jacobian's eigenvalues. multipliers (n,); nan if no pair with a positive real part
    rotates (a negative factor is a step that overshoots), or if less than SEEN of a deviation is
    left after half a turn, so that no wave can be seen.
    """
    turning = multipliers[(multipliers.imag > 0) & (multipliers.real > 0)]
    if not turning.size:
        return np.nan
    factor = turning[np.abs(turning).argmax()]
    period = 2 * np.pi / np.angle(factor)
    return period if np.abs(factor) ** (period / 2) > SEEN else np.nan


def _moving(multipliers, tolerance):
    """Pick the magnitudes of the factors that differ from 1: along a line of equilibria nothing pulls back."""
    return np.abs(multipliers[np.abs(multipliers - 1) > tolerance])


def attracts(multipliers, tolerance=NEUTRAL):
    """Say whether small deviations shrink: whether all factors (n,) of a game, but those of 1, are below 1.

    Factors within tolerance of 1 count as 1; if all do, nothing attracts.
    """
    moving = _moving(multipliers, tolerance)
    return bool(moving.size and moving.max() < 1)


def stability(multipliers, tolerance=NEUTRAL):
    """Say in words whether a point attracts and rotates the game, from `game_multipliers` (n,)."""
    moving = _moving(multipliers, tolerance)
    if not moving.size:
        return "neither attracts nor repels"
    period = rotation_period(multipliers)
    turn = "without a wave" if np.isnan(period) else f"rotates once in {period:.0f} games"
    pull = "attracts" if attracts(multipliers, tolerance) else "repels"
    return f"{pull} (deviations times {moving.max():.4f} a game), {turn}"
