"""The model in plain NumPy, with derivatives by hand: what the tests compare with.

f = a (w z + b) + c and r = a x + c are the logits of a fake and a real sample, to which noise may be added.
"""

import numpy as np


def log_sigmoid(t):
    return -np.logaddexp(0, -t)


def sigmoid(t):
    return np.exp(log_sigmoid(t))


def logits(params, x, z, noise):
    w, b, a, c = params
    real, fake = x + noise[0], w * z + b + noise[1]
    return real, fake, a * real + c, a * fake + c


def objective(params, x, z, noise=(0, 0)):
    _, _, r, f = logits(params, x, z, noise)
    return log_sigmoid(r).mean() + log_sigmoid(-f).mean()


def generator_loss(params, x, z, noise=(0, 0), saturating=True):
    _, _, _, f = logits(params, x, z, noise)
    return log_sigmoid(-f).mean() if saturating else -log_sigmoid(f).mean()


def gradient(params, x, z, noise=(0, 0)):
    """Differentiate V by (w, b, a, c). The first two entries are the gradient of the saturating loss, too."""
    real, fake, r, f = logits(params, x, z, noise)
    by_slope = np.mean(sigmoid(-r) * real) - np.mean(sigmoid(f) * fake)
    return np.array([*generator_gradient(params, x, z, noise), by_slope, np.mean(sigmoid(-r)) - np.mean(sigmoid(f))])


def generator_gradient(params, x, z, noise=(0, 0), saturating=True):
    """Differentiate G's loss by (w, b): the other loss, mean -log D(G(z)), has D - 1 in the place of -D."""
    a = params[2]
    _, _, _, f = logits(params, x, z, noise)
    force = sigmoid(f) if saturating else sigmoid(-f)
    return -np.array([np.mean(force * a * z), np.mean(force * a)])


def hessian(params, x, z, noise=(0, 0)):
    """Differentiate V twice, sample by sample: -s(1-s) grad grad^T, and -s(f) times the Hessian of f."""
    a = params[2]
    real, fake, r, f = logits(params, x, z, noise)
    zero, one = np.zeros_like(real), np.ones_like(real)
    total = np.zeros((4, 4))
    for slope, t in ((np.array([zero, zero, real, one]), r), (np.array([a * z, a + 0 * z, fake, 1 + 0 * z]), f)):
        total -= np.einsum("in,jn,n->ij", slope, slope, sigmoid(t) * sigmoid(-t)) / len(t)
    for i, second in ((0, np.mean(sigmoid(f) * z)), (1, np.mean(sigmoid(f)))):  # d2 f / dw da = z, d2 f / db da = 1
        total[i, 2] -= second
        total[2, i] -= second
    return total


def noise(draws, game):
    """The noise on what D sees in a game: on real and on fake samples."""
    return (draws.noise_real[game], draws.noise_fake[game]) if hasattr(draws, "noise_real") else (0, 0)


def train(model, draws):
    """Play all games: the columns of a gan.History, game by game."""
    params, rows, saturating = np.array(draws.params, float), [], model.gen_loss == "saturating"
    for game, z_discr in enumerate(draws.z_discr):
        x, seen = draws.x, noise(draws, game)
        for _ in range(model.discr_update):
            value = objective(params, x, z_discr, seen)
            params[2:] += model.learning_rate * gradient(params, x, z_discr, seen)[2:]
        discr_slope = gradient(params, x, z_discr, seen)[2:]
        for z in draws.z_gen[game]:
            params[:2] -= model.learning_rate * generator_gradient(params, x, z, seen, saturating)
        loss = generator_loss(params, x, z, seen, saturating)
        gen_slope = generator_gradient(params, x, z, seen, saturating)
        rows.append((params.copy(), value, loss, np.linalg.norm(discr_slope), np.linalg.norm(gen_slope)))
    return [np.array(column) for column in zip(*rows)]
