"""Run copies of the scripts as a reader does."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = "gan.py", "noisy_gan.py", "hessian.py", "plots.py"
UNLIKE = re.compile("DISPLAY|WAYLAND|MPL|XDG_|TF_|PYTHON")
POOR = {name: value for name, value in os.environ.items() if not UNLIKE.match(name)}  # before an import changes it
EDITED = {"GAMES": 45, "TARGET_MEAN": -3}
IMPORTED = """
import os, signal, sys

def state():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return handlers, [os.fstat(number)[1:3] for number in range(3)], [*sys.argv]

python, sys.executable = sys.executable, ""  # as in a host that is another program, and has no listener
environment, before = dict(os.environ), state()
import noisy_gan
assert state() == before
assert environment.items() <= os.environ.items()
import matplotlib
changed = {key for key, value in matplotlib.rcParams.items() if value != matplotlib.rcParamsOrig[key]}
assert changed <= {"backend"} and matplotlib.rcParams["backend"] == "svg", changed
import tensorflow as tf
tf.config.set_visible_devices([], "GPU")  # it can still be told

print("imported", file=sys.stderr)
sys.executable = python
import gan
reader, writer = os.pipe()
os.dup2(writer, 1)
os.close(reader)  # as after `| head`
gan.run_seed(gan.GAN(3, 1, 1), seed=0)
gan.main(["--games=40"])
"""
CHATTY = "import os\nos.write(2, b'a log line\\n')\nraise KeyboardInterrupt\n"  # a TensorFlow


def copy(script, folder, constants=()):
    """Copy a script to a folder, with other values of some constants: its path."""
    text = (ROOT / script).read_text(encoding="utf-8")
    for name in constants:
        text, count = re.subn(rf"^{name} = \S+", f"{name} = {constants[name]}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} in {script}"
    (folder / script).write_text(text, encoding="utf-8")
    return str(folder / script)


def run(folder, *arguments, constants=(), **more):
    """Run Python beside a copy of the scripts, without display: status, stdout, stderr, files of img/."""
    for script in SCRIPTS:
        copy(script, folder, constants if script == arguments[0] else ())
    words = [str(folder / word) if word.endswith(".py") else word for word in arguments]
    poor = POOR | more | {"PYTHONPATH": str(folder)}
    streams = {"input": "", "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, *words], cwd=folder.parent, env=poor, timeout=200, **streams)
    return done.returncode, done.stdout, done.stderr, {path.name: path.read_bytes() for path in folder.glob("img/*")}


def start_all(folder):
    """Start every run: an executor, and futures by name."""
    notebook = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    jobs = {
        "edited": (["gan.py"], {"constants": EDITED} | notebook),
        "importing and unread": (["-W", "error", "-c", IMPORTED], {"MPLBACKEND": "svg", "TF_CPP_MIN_LOG_LEVEL": "2"}),
        "interrupted": (["gan.py"], {}),
        "chatty": (["gan.py"], {"TF_CPP_MIN_LOG_LEVEL": "0"}),
        "bad flags": (["gan.py"], {"XLA_FLAGS": "--no-such-flag"}),
        "bad backend": (["gan.py"], {"MPLBACKEND": "nosuch"}),
    }
    executor, futures = ThreadPoolExecutor(2), {}
    for name, (arguments, how) in jobs.items():
        (folder / name).mkdir()
        if name in ("interrupted", "chatty"):
            (folder / name / "tensorflow.py").write_text(CHATTY)
        futures[name] = executor.submit(run, folder / name, *arguments, **how)
    return executor, futures
