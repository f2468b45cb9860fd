"""The model in NumPy, with derivatives by hand: what the tests compare with.

f = a (w z + b) + c and r = a x + c are the logits of a generated and a real sample, to which noise may be added.
"""

import numpy as np
from scipy.special import expit as sigmoid
from scipy.special import log_expit as log_sigmoid

LOSSES = {  # what G descends of logits f, and minus its derivative by f
    "saturating": (lambda f: log_sigmoid(-f), sigmoid),
    "non-saturating": (lambda f: -log_sigmoid(f), lambda f: sigmoid(-f)),
    "middle": (lambda f: -f / 2, lambda f: 1 / 2 + 0 * f),
}


def logits(params, x, z, noise):
    w, b, a, c = params
    real, fake = x + noise[0], w * z + b + noise[1]
    return real, fake, a * real + c, a * fake + c


def objective(params, x, z, noise=(0, 0)):
    _, _, r, f = logits(params, x, z, noise)
    return log_sigmoid(r).mean() + log_sigmoid(-f).mean()


def generator_loss(params, x, z, noise=(0, 0), loss="saturating"):
    return LOSSES[loss][0](logits(params, x, z, noise)[3]).mean()


def generator_gradient(params, x, z, noise=(0, 0), loss="saturating"):
    """Differentiate G's loss by (w, b)."""
    pushes = params[2] * LOSSES[loss][1](logits(params, x, z, noise)[3])
    return -np.array([np.mean(pushes * z), np.mean(pushes)])


def discr_gradient(params, x, z, noise=(0, 0)):
    """Differentiate V by (a, c)."""
    real, fake, r, f = logits(params, x, z, noise)
    by_slope = np.mean(sigmoid(-r) * real) - np.mean(sigmoid(f) * fake)
    return np.array([by_slope, np.mean(sigmoid(-r)) - np.mean(sigmoid(f))])


def hessian(params, x, z, noise=(0, 0)):
    """Differentiate V twice: of each sample -s(1-s) grad grad^T, and -s(f) times the Hessian of f."""
    a = params[2]
    real, fake, r, f = logits(params, x, z, noise)
    zero, one = np.zeros_like(real), np.ones_like(real)
    total = np.zeros((4, 4))
    for grad, t in ((np.array([zero, zero, real, one]), r), (np.array([a * z, a + 0 * z, fake, 1 + 0 * z]), f)):
        total -= np.einsum("in,jn,n->ij", grad, grad, sigmoid(t) * sigmoid(-t)) / len(t)
    for i, second in ((0, np.mean(sigmoid(f) * z)), (1, np.mean(sigmoid(f)))):  # d2 f / dw da = z, d2 f / db da = 1
        total[i, 2] -= second
        total[2, i] -= second
    return total


def sample(draws, game):
    """Pick the last batch of a game: real samples, noise z, and noise on both kinds."""
    blurred = (draws.noise_real[game], draws.noise_fake[game]) if hasattr(draws, "noise_real") else (0, 0)
    return draws.x, draws.z_gen[game][-1], blurred


def play(model, draws, game, params):
    """Play one game: its line of a gan.History."""
    params, (x, z, noise), z_discr = np.array(params, float), sample(draws, game), draws.z_discr[game]
    for _ in range(model.discr_update):
        params[2:] += model.learning_rate * discr_gradient(params, x, z_discr, noise)
    value, by_discr = objective(params, x, z_discr, noise), discr_gradient(params, x, z_discr, noise)
    for z in draws.z_gen[game]:
        params[:2] -= model.learning_rate * generator_gradient(params, x, z, noise, model.gen_loss)
    given = params, x, z, noise, model.gen_loss
    return params, value, generator_loss(*given), np.linalg.norm(by_discr), np.linalg.norm(generator_gradient(*given))


def train(model, draws):
    """Play all games: the columns of a gan.History."""
    lines, params = [], draws.params
    for game in range(model.games):
        lines.append(play(model, draws, game, params))
        params = lines[-1][0]
    return [np.array(column) for column in zip(*lines)]


def settings(rng, **fixed):
    """Draw the settings of a game, mild and wild ones."""
    most = {"games": 25, "discr_update": 8, "gen_update": 4, "num_samples": 12}
    found = {name: int(rng.integers(1, end)) for name, end in most.items()}
    found |= {"learning_rate": 10 ** rng.uniform(-4, 0), "init_std": rng.choice([0, 0.1, 1, 5])}
    found |= {"gen_loss": str(rng.choice([*LOSSES])), "target_mean": rng.uniform(-8, 8)}
    return found | {"target_std": 10 ** rng.uniform(-2, 0.5)} | fixed
