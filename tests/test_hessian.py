"""Curvature, distances, equilibria and words on a run, against derivatives, definitions and records by hand."""

import re
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
import replica
from numpy.testing import assert_allclose
from pictures import Humps
from scipy import integrate, linalg, special, stats

import gan
import hessian
from gan import GAN
from noisy_gan import NoisyDraws, NoisyGAN

DRAW, NAN = -2 * np.log(2), np.nan
X, END = np.array([4.1, 4.7, 6.2, 5.9]), np.array([2.4, 3.1, 0.3, -0.2])


def played(model, seed=0):
    """A run that the replica played."""
    draws = model.draw(seed)
    with np.errstate(all="ignore"):
        return hessian.Run(model, draws, gan.History(*replica.train(model, draws)))


def recorded(objective=(DRAW,), params=END, x=X, there=None):
    """A run of these V and params, near this equilibrium."""
    games = len(objective)
    draws = gan.Draws(END, x, np.full((games, 2), 0.5), np.full((games, 1, 2), 0.5))
    history = gan.History(np.broadcast_to(params, (games, 4)), np.array(objective), *np.ones((3, games)))
    there = there or hessian.equilibrium(GAN(games, 1, 1), x, history.params[-1])
    with mock.patch.object(hessian, "equilibrium", return_value=there):
        return hessian.Run(GAN(games, 1, 1), draws, history)


def test_hessians_of_a_run_in_parts(monkeypatch):
    monkeypatch.setattr(hessian, "BLOCK", 1000)
    compute, parts = hessian.hessians, []
    monkeypatch.setattr(hessian, "hessians", lambda *given: parts.append(compute(*given)) or parts[-1])
    run, matrices = played(NoisyGAN(13, 2, 3, num_samples=5)), []
    for game, params in enumerate(run.history.params):
        params[:] = np.random.default_rng(game).normal(0, [2, 2, 2, [2, 50, 2, 1e5][game % 4]])  # D is sure in some
        matrices.append(replica.hessian(params, *replica.sample(run.draws, game)))
    found, largest = (run.eigenvalues, np.concatenate(parts)), 1 + np.linalg.norm(matrices, axis=(1, 2))
    assert len(parts) > 1
    for values, expected in zip(found, (np.linalg.eigvalsh(matrices), matrices)):
        assert np.max(np.abs(values - expected).T / largest) < 1e-14


def test_definiteness_counts_the_signs_of_what_is_not_small():
    rng = np.random.default_rng(1)
    words = {"1": "positive definite", "-1": "negative definite", "0": "zero"}
    words |= {"0 1": "positive semidefinite", "-1 0": "negative semidefinite"}
    for _ in range(300):
        signs = rng.choice([-1, 0, 1], rng.integers(2, 6), p=rng.dirichlet([0.4] * 3))
        values = np.where(signs, signs * 10 ** rng.uniform(-3.98, 0, signs.size), rng.choice([-1, 1]) * 0.99e-4)
        values[np.flatnonzero(signs)[:1]] = signs[np.flatnonzero(signs)[:1]]  # the largest is 1
        values *= signs.any() * 10 ** rng.uniform(-12, 12)
        assert hessian.definiteness(values) == words.get(" ".join(map(str, sorted({*signs}))), "indefinite"), values
    for bad in (NAN, np.inf, -np.inf):
        assert hessian.definiteness(np.array([-1, bad, 2])) == "unknown"


@pytest.mark.parametrize("target", [stats.norm(-1, 2), stats.gamma(9, -3, 0.5)])
def test_distances_are_their_definitions(target):
    levels, expected = (np.arange(1e5) + 0.5) / 1e5, []
    ends = np.array([(-3.4, 1.4), (-9, -8.8), (-1.02, -0.98), (13, -1), (-11, 69), (-51, -41), (7989, -12011)])

    def best(x, low, high):  # what V's integrand is under the best D
        p, q = target.pdf(x), (low < x < high) / (high - low)
        return special.rel_entr(p, p + q) + special.rel_entr(q, p + q)

    for low, high in np.sort(ends):
        way = stats.wasserstein_distance(target.ppf(levels), low + levels * (high - low))
        cuts = pairwise(np.unique(np.clip([*range(-25, 40, 2), 0, low, high], -25, 39)))  # where a density jumps
        expected.append([sum(integrate.quad(best, *cut, (low, high), epsabs=1e-11)[0] for cut in cuts), way])
    params = np.column_stack([ends[:, 1] - ends[:, 0], ends[:, 0], ends])
    value, way = np.transpose(expected)
    assert_allclose(hessian.best_objective(target, params), value, atol=1e-8)
    assert_allclose(hessian.jensen_shannon(target, params), np.log(2) + value / 2, atol=1e-8)
    assert_allclose(hessian.wasserstein(target, params), way, atol=4e-4, rtol=1e-6)
    point = np.array([0, -1, 0, 0])
    assert hessian.wasserstein(target, point) == pytest.approx(np.abs(target.ppf(levels) + 1).mean(), abs=4e-4)
    for far in (0, 60, 1e200):
        assert hessian.jensen_shannon(target, point + [far, far, 0, 0]) == pytest.approx(np.log(2), rel=1e-9)


@pytest.mark.parametrize("target", [stats.norm(3, 2), stats.gamma(9, -3, 0.5)])
def test_accuracies_and_the_standard_deviation(target):
    z, params = (np.arange(20_000) + 0.5) / 20_000, np.random.default_rng(0).normal(0, 2, (50, 4))
    w, b, a, c = params.T[..., None]
    real, fake = hessian.accuracies(params, target)
    assert_allclose(real, np.mean(a * target.ppf(z) + c > 0, axis=1), atol=1e-4)
    assert_allclose(fake, np.mean(a * (w * z + b) + c < 0, axis=1), atol=1e-4)
    assert_allclose(hessian.generated_std(params), (w * z).std(axis=1), rtol=1e-8)


def dealt(model, params):
    """Draws by which each step sees the whole distributions."""
    z, std = np.tile((np.arange(1000) + 0.5) / 1000, 2), getattr(model, "noise_std", 0)
    noise = std * np.array([np.tile([1, -1], 1000), np.repeat([1, -1], 1000)])
    z_discr, *noise = (np.tile(values, (model.games, 1)) for values in (z, *noise))
    return NoisyDraws(params, np.repeat(X, 500), z_discr, np.tile(z, (model.games, model.gen_update, 1)), *noise)


MODELS = [GAN(1, 1, 1), GAN(1, 3, 2, learning_rate=0.03, gen_loss="non-saturating"), GAN(1, 50, 3), GAN(1, 2, 50)]


@pytest.mark.parametrize("model", [*MODELS, NoisyGAN(1, 1, 2, noise_std=0.4, gen_loss="middle")], ids=repr)
def test_equilibrium_is_the_nearest_point_that_no_game_moves(model):
    """It is straight off the line, whose points are (w, m - w / 2, 0, 0)."""
    there, play = hessian.equilibrium(model, X, END), lambda params: replica.train(model, dealt(model, params))[0][-1]
    assert (END - there.params) @ [1, -0.5, 0, 0] == pytest.approx(0, abs=1e-12)
    assert_allclose(there.params[1:], [X.mean() - there.params[0] / 2, 0, 0], atol=1e-14)
    assert_allclose(play(there.params), there.params, rtol=0, atol=1e-13)
    ahead, behind = ([play(there.params + move) for move in sign * 1e-6 * np.eye(4)] for sign in (1, -1))
    assert_allclose(there.linear_map, np.subtract(ahead, behind).T / 2e-6, rtol=0, atol=1e-6)
    by_hand = replica.hessian(there.params, *replica.sample(dealt(model, there.params), 0))
    assert_allclose(there.hessian, by_hand, rtol=0, atol=1e-6)
    steps = np.diag(np.repeat([-model.gen_update, model.discr_update], 2))
    assert_allclose(there.jacobian, steps @ by_hand, rtol=0, atol=1e-6 * np.abs(steps).max())


@pytest.mark.parametrize(
    ("mean", "std", "steps", "noise_std"),
    # the last two are stable again, at 3.5 and at 1.9 times the first loss
    [(5, 1, (1, 1), 1.5), (5, 1, (50, 1), 0), (5, 1, (1, 500), 0), (0, 2, (2, 10), 0), (2, 1, (2, 50), 0)],
)
def test_edge_is_the_first_rate_at_which_a_deviation_grows(mean, std, steps, noise_std):
    def near(rate):
        model = NoisyGAN(1, *steps, learning_rate=rate, noise_std=noise_std)
        return hessian.equilibrium(model, mean + std * np.array([-1.2, -0.3, 0.4, 1.1]), END)

    edge = near(0.1).edge
    fates = [recorded(there=near(share * edge)).fate for share in (*np.geomspace(1e-2, 0.9996, 100), 1.0001, 9 / edge)]
    assert [fate.startswith("grows") for fate in fates] == [False] * 100 + [True] * 2


def turning(size, angle):
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


GROWS, DIES, TURNS = "grows", "dies out without turning: a game leaves ", "turns once in "
MAPS = [
    ([[-1.003]], turning(0.99, 0.1), 20 * np.pi, GROWS),
    ([[-0.997]], [[0.9]], NAN, DIES + "0.997 "),  # overshoots: no turn
    (turning(0.99, 0.1), [[0.3]], 20 * np.pi, TURNS + "63 games; half a turn leaves 73%"),  # 0.99^31.4
    (turning(0.98, 0.3), turning(0.99, 0.1), 20 * np.pi, None),
    (turning(1.01, 0.1), turning(0.9, 1), 2 * np.pi, None),  # the slower is no turn that dies out
    (turning(0.5, 0.1), turning(0.9, 1), 2 * np.pi, None),  # the slower leaves too little
    (turning(1 + 1e-12, 0.1), [[0.3]], 20 * np.pi, TURNS + "63 games; half a turn leaves 100%"),
    (turning(1 + 1e-8, 0.1), [[0.3]], NAN, GROWS),
    (turning(0.9, 2), [[1 - 1e-10]], NAN, DIES + "1 "),
    (turning(0.101 ** (0.1 / np.pi), 0.1), [[0.3]], 20 * np.pi, TURNS + "63 games; half a turn leaves 10%"),
    (turning(0.099 ** (0.1 / np.pi), 0.1), [[0.3]], NAN, DIES + "0.929 "),
]


@pytest.mark.parametrize(("one", "other", "period", "words"), MAPS)
def test_rotation_and_fate(one, other, period, words):
    """Of a known map in another basis, in which the line of equilibria stays."""
    blocks = linalg.block_diag(1, one, other, *[0.2] * (len(one) + len(other) < 3))
    some = np.random.default_rng(0).normal(size=blocks.shape)
    some[:, 0] = [2, -1, 0, 0, 0][: len(some)]
    basis = np.linalg.qr(some)[0]
    found = hessian.rotation(basis @ blocks @ basis.T)
    assert found[0] == pytest.approx(period, nan_ok=True)
    assert np.isnan(found[1]) == np.isnan(period)
    if words:
        there = hessian.Equilibrium(END, None, None, basis @ blocks @ basis.T, *found, 0.1)
        run = recorded([DRAW] * 9, there=there)
        run.flat_games = [] if words.startswith(DIES) else [2, 4]
        assert run.fate.startswith(words)
        assert (run.predicted is None) == (words[:5] in GROWS + DIES)


@pytest.mark.parametrize("period", [37, 200, 588.5])
def test_flat_games_are_those_in_which_a_wave_crosses_zero(period):
    """A cosine is 0 a quarter of a turn past 0.6 turns, and every half."""
    crossings, time = (np.arange(30) / 2 + 0.35) * period, np.arange(2000)
    wave = 0.7 ** (2 * time / period) * np.cos(2 * np.pi * (time / period - 0.6))
    for weight in (wave, -wave, wave + 0.02 * np.random.default_rng(1).normal(size=2000)):
        turns = hessian.flat_games(weight, period)
        assert len(turns) == min(7, int(2 * 2000 / period))  # 0.7^6 of a swing is seen, 0.7^7 not
        assert_allclose(turns, crossings[: len(turns)] + 1, rtol=0, atol=0.02 * period + 2)
    for few, turn in ((wave, NAN), (wave[: int(period / 2) - 1], period), (wave, 3.9), (1 + 0 * wave, period)):
        assert hessian.flat_games(few, turn).size == 0


def test_the_first_game_that_overflows_is_found():
    for field, index, game in ((0, (6, 3), 7), (1, 0, 1), (2, 4, 5), (3, 8, 9), (4, 3, 4)):
        history = gan.History(np.ones((9, 4)), *np.ones((4, 9)))
        assert recorded(*history[1::-1]).lost == 0
        history[field][index] = history[1][8] = [NAN, np.inf, -np.inf][field % 3]
        run = hessian.Run(GAN(9, 1, 1), GAN(9, 1, 1).draw(0), history)
        assert (run.lost, run.theory) == (game, False)


def last(values, games=NAN):
    """Pick the last 50 games, of fewer than 200 a quarter, or so many if these are more."""
    few = 50 if len(values) >= 200 else -(-len(values) // 4)
    return values[-round(games if games > few else few) :]


def ends(v, miss, m, std, turn):
    """Say where a run ends, of V and the mean's distance from m by game."""
    near, steps = max(*np.abs(miss), std) / 20, last(np.diff(v, prepend=v[0]), turn)
    laws = {
        "lost": max(*np.abs(last(v)), *np.abs(last(miss)) - abs(m)) >= 100,
        "stalled": last(v).mean() > -0.1,
        "flipping": np.median(last(v, turn)) < DRAW - 0.05
        and np.median(np.abs(steps)) > 0.05
        and (np.diff(np.sign(steps)) ** 2 == 4).sum() > steps.size / 2,
        "settled": abs(last(v).mean() - DRAW) < 0.05 and np.abs(last(miss, turn / 2)).max() <= near,
        "circling": miss.min() < -near and miss.max() > near,
        "on the way": True,
    }
    return next(word for word in laws if laws[word])


def history_at_random(rng):
    """V and the mean's distance from m by game, many next to a limit."""
    games, sign = int(rng.choice([1, 7, 60, 199, 200, 400])), rng.choice([-1, 1])
    v, miss, odd = np.full(games, DRAW), rng.choice([6, 1.0]) * np.ones(games), rng.integers(0, games)
    where = slice(odd if rng.random() < 0.8 else 0, None)
    v[where] += rng.choice([0, 0, 0.049, 0.051, -0.04, -0.051, -0.3, -98.5, -99, 1.29, 1.28])
    if rng.random() < 0.5:
        v[where] += rng.choice([0.015, 0.026, 0.5]) * (-1) ** (np.arange(games)[where] // rng.choice([1, 1, 1, 3]))
    if rng.random() < 0.7:
        miss[where] = sign * rng.choice([0, 0.04, 0.06, 0.29, 0.31, 5]) * rng.uniform(0.98, 1)
    if rng.random() < 0.4:
        miss[odd], v[odd] = sign * rng.choice([0.31, 5, 104, 106]), v[odd] + rng.choice([0, 0, 0, -98.5, -99])
    return v, miss


def test_a_run_ends_in_the_first_word_whose_law_holds():
    rng, counts = np.random.default_rng(3), []
    for _ in range(1500):
        v, miss = history_at_random(rng)
        x, turn = rng.choice([-5, 5]) + rng.choice([0.1, 1]) * np.array([-1, -1, 2]), rng.choice([NAN, 30, 120])
        params = np.stack([3 + 0 * miss, x.mean() + miss - 3 / 2, 9 + 0 * miss, 9 + 0 * miss], axis=-1)
        there = hessian.Equilibrium(END, None, None, np.eye(4), turn, 0.5, 0.1)
        counts.append(ends(v, miss, x.mean(), x.std(), turn))
        assert recorded(v, params, x, there).end == counts[-1], (v, miss, turn)
    assert min(map(counts.count, {*counts})) > 30
    assert len({*counts}) == 6


def test_seeds_are_judged_together_as_one_by_one():
    """Also lost ones; one is stalled, in one D is sure."""
    model, alone = NoisyGAN(160, 8, 8), {}
    each = [model.draw(seed) for seed in range(7)]
    history = model.train(gan.stack_seeds(each))
    history.params[30:, 1] = history.gen_gradient[-1, 6] = NAN
    history.objective[:, 2], history.params[-1, 3, 2:] = -0.05, (9, -30)
    with mock.patch.object(hessian, "hessians", wraps=hessian.hessians) as spy:
        found, courses = hessian.judge_seeds(model, gan.stack_seeds(each), history)
    _, batch, z, params = spy.call_args.args  # of the last game
    finite = [0, 2, 3, 4, 5]
    np.testing.assert_array_equal(batch.noise_real, [each[seed].noise_real[-1] for seed in finite])
    np.testing.assert_array_equal(batch.noise_fake, [each[seed].noise_fake[-1] for seed in finite])
    np.testing.assert_array_equal(z, [each[seed].z_gen[-1, -1] for seed in finite])
    np.testing.assert_array_equal(params, history.params[-1, finite])
    for seed, draws in enumerate(each):
        own = gan.History(*(values[:, [seed]] for values in history))
        run = hessian.Run(model, draws, gan.History(*(values[:, 0] for values in own)))
        values, course = hessian.judge_seeds(model, gan.stack_seeds([draws]), own)
        assert values["ends"] == [run.end if run.theory else "lost"]
        for theirs in (course[..., 0], [run.history.objective, *run.moments]):
            np.testing.assert_array_equal(courses[..., seed], theirs)
        for name, more in values.items():
            alone.setdefault(name, []).extend(more)
    np.testing.assert_equal({name: [*values] for name, values in found.items()}, alone)
    assert len({*found["ends"]}) == 3


def wild(rng):
    """Draw a model from anywhere inside the limits."""
    settings = {"learning_rate": 10 ** rng.uniform(-6, 1), "target_mean": rng.uniform(-100, 100)}
    settings |= {"init_std": rng.choice([0, 5, 100]), "target_std": 10 ** rng.uniform(-2, 2), "games": 30}
    settings = replica.settings(rng, games=100) | {name: settings[name] for name in settings if rng.random() < 0.5}
    return NoisyGAN(**settings, noise_std=10 ** rng.uniform(-2, 2)) if rng.random() < 0.3 else GAN(**settings)


def test_any_report_is_finite_and_does_not_contradict_itself():
    """Each line by hand; of a variant those that hold."""
    rng, ends, variant = np.random.default_rng(4), set(), Humps(40, 1, 1)
    record = gan.History(rng.normal(size=(40, 5)), *rng.normal(size=(4, 40)))  # of no game
    runs = [played(wild(rng), seed) for seed in range(40)]
    for run in (*runs, hessian.Run(variant, variant.draw(0), record)):
        history, x, (mean, std) = run.history, run.draws.x, (values[-1] for values in run.moments)
        discr, scene = run.model.players(history.params[-1])[1], run.scene(len(history.params), np.arange(2.0))
        real, fake = replica.sigmoid(np.asarray(run.model.logit(discr, np.array(scene.seen)))).mean(axis=-1)
        (head,), *lines = (re.split(" {2,}", line.strip(), maxsplit=1) for line in hessian.closing_report(run))
        assert not re.search(r"\b(nan|inf|None)\b", str(lines)), lines
        assert head == f"After {run.model.games} games" + (f": {run.end}" if run.theory else "")
        assert lines[:5] == [
            ["objective V", f"{history.objective[-1]:.5g}" + ", a draw is -2 log 2 = -1.3863" * run.theory],
            ["generated mean, std", f"{mean:.4g}, {std:.4g}"],
            ["real samples' mean, std", f"{x.mean():.4g}, {x.std():.4g}"],
            ["D on real, on generated", f"{real:.3f}, {fake:.3f}"],
            ["gradient norms of D, G", f"{history.discr_gradient[-1]:.2g}, {history.gen_gradient[-1]:.2g}"],
        ]
        if not run.theory:
            assert re.fullmatch(r"\[\['Left out: theory.* Humps .*'\]\]", str(lines[5:]))
            made = np.polyval(history.params[-1, :2], run.draws.z_gen)
            assert_allclose([mean, std], [made.mean(), made.std()], rtol=0, atol=0.03 * made.std())
            assert_allclose(scene.edges, np.quantile(made, np.linspace(0, 1, len(scene.edges))), rtol=1e-9)
        elif run.end != "lost":
            values, there, (w, b, *_) = run.eigenvalues[-1], run.equilibrium, run.equilibrium.params
            k, g, noise = run.model.discr_update, run.model.gen_update, getattr(run.model, "noise_std", 0)
            s2 = (x.var() + w**2 / 12) / 2 + noise**2
            cubic = 1, k / 2 * (1 + x.mean() ** 2 + s2), k / 16 * (4 * k * s2 + 5 * g), 5 / 32 * k**2 * g
            roots = [root for root in np.sort_complex(np.roots(cubic)) if root.imag >= 0]
            roots = [f"{root.real:.4g}" + (f" +- {root.imag:.4g}i" if root.imag else "") for root in roots]
            assert lines[5:] == [
                ["Theory (README.md, part 2):"],
                ["Hessian's eigenvalues", f"{', '.join(f'{v:.2g}' for v in values)}: {hessian.definiteness(values)}"],
                ["nearest equilibrium", f"w = {w:.4g}, b = {b:.4g}: std {abs(w) / 12**0.5:.4g}"],
                ["Jacobian's eigenvalues", ", ".join([*roots, "0"])],
                ["a small swing", run.fate],
                ["largest learning rate", f"{there.edge:.3g}"],
            ]
            assert not (run.fate.startswith("grows") and run.model.learning_rate < 0.99 * there.edge)
            assert np.prod(sorted(np.linalg.eigvalsh(there.hessian), key=abs)[1:]) == pytest.approx(5 / 32)
        ends.add(run.end if run.theory else None)
    assert len(ends) >= 5
