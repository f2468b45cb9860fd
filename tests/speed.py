"""Measure the scripts: python tests/speed.py [ROUNDS]

Whole processes in turn, over several rounds: seconds (median), times the bare imports, peak memory.
Then the training loop alone, once compiled, in TensorFlow and, where it is installed, in JAX.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
GAMES = 150_000
COMMANDS = {
    "imports alone": ["-c", "import tensorflow, numpy, scipy.stats, matplotlib.pyplot, seaborn"],
    "gan.py": ["gan.py"],
    f"gan.py --games {GAMES}": ["gan.py", "--games", str(GAMES)],
    "gan.py --num-samples 10000": ["gan.py", "--num-samples", "10000"],
    "noisy_gan.py": ["noisy_gan.py"],
}


def measure(arguments, folder):
    """Run a process: seconds and MB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: exit status {process.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return time.perf_counter() - start, usage.ru_maxrss / unit


def measure_processes(rounds):
    results = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for script in ROOT.glob("*.py"):
            shutil.copy(script, folder)
        for _ in range(rounds):
            for name, arguments in COMMANDS.items():
                results[name].append(measure(arguments, folder))
    baseline = median(seconds for seconds, _ in results["imports alone"])
    print(f"{'process':<30}{'seconds':>9}{'ratio':>8}{'MB':>8}")
    for name, pairs in results.items():
        seconds, memory = map(median, zip(*pairs))
        print(f"{name:<30}{seconds:9.2f}{seconds / baseline:8.2f}{memory:8.0f}")


def measure_loop(name, train, rounds):
    """Time a loop after a first, compiling run."""
    train()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        train()
        seconds.append(time.perf_counter() - start)
    print(f"{name:<30}{median(seconds):9.2f}  for {GAMES} games, {1e6 * median(seconds) / GAMES:.2f} microseconds each")


def tensorflow_loop():
    import gan

    model = gan.GAN(GAMES, 1, 1)
    draws = model.draw(0)
    return lambda: model.train(draws)


def jax_loop():
    """The same game: lax.scan over games, objective and gradient norms recorded."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    x, batches = rng.normal(5, 1, 10), rng.random((2, GAMES, 10))

    def objective(gen, discr, z):
        fake = gen[0] * z + gen[1]
        real_logit, fake_logit = discr[0] * x + discr[1], discr[0] * fake + discr[1]
        return jax.nn.log_sigmoid(real_logit).mean() + jax.nn.log_sigmoid(-fake_logit).mean()

    def game(players, z):
        gen, discr = players
        value, slope = jax.value_and_grad(objective, 1)(gen, discr, z[0])
        discr = discr + 0.1 * slope
        discr_slope = jax.grad(objective, 1)(gen, discr, z[0])
        gen = gen - 0.1 * jax.grad(objective, 0)(gen, discr, z[1])
        gen_slope = jax.grad(objective, 0)(gen, discr, z[1])
        norms = jnp.linalg.norm(discr_slope), jnp.linalg.norm(gen_slope)
        return (gen, discr), (jnp.concatenate([gen, discr]), value, *norms)

    train = jax.jit(lambda players, z: jax.lax.scan(game, players, z)[1])
    start = jnp.array([0.01, 0]), jnp.array([-0.01, 0])
    z = jnp.asarray(batches.swapaxes(0, 1))
    return lambda: jax.block_until_ready(train(start, z))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    loops = {"tensorflow": tensorflow_loop, "jax": jax_loop}
    if importlib.util.find_spec("tensorflow"):
        measure_processes(rounds)
    for name, loop in loops.items():
        if importlib.util.find_spec(name):
            measure_loop(f"loop in {name}", loop(), rounds)


if __name__ == "__main__":
    main()
