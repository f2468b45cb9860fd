"""Measure the scripts: python tests/speed.py [ROUNDS]

Whole processes in turn, over several rounds: seconds (median), times the bare imports, peak memory.
Then the training loop alone, once compiled.
"""

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
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, **quiet)
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


def measure_loop(rounds):
    """Time the loop after a first, compiling run."""
    import gan

    model = gan.GAN(GAMES, 1, 1)
    draws, seconds = model.draw(0), []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        model.train(draws)
        seconds.append(time.perf_counter() - start)
    each = median(seconds[1:]) / GAMES
    print(f"loop alone, {GAMES} games        {GAMES * each:9.2f}, {1e6 * each:.2f} microseconds a game")


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    measure_processes(rounds)
    measure_loop(rounds)
