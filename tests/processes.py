"""Run the scripts as a reader does: a process each, on a copy of them, so that img/ stays as it is."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("gan.py", "noisy_gan.py", "hessian.py", "plots.py")
KINDS = ("img_{}.gif", "summary_{}.png", "hessian_{}.png", "monitor_{}.png")  # the pictures of a run
OLD = b"an older picture"


class Run(NamedTuple):
    folder: Path
    status: int
    out: str
    err: str
    files: dict  # of img/, name to bytes, without hidden ones


def copy_scripts(folder, script="gan.py", constants=None):
    """Copy the scripts, with constants of one of them edited."""
    for name in SCRIPTS:
        shutil.copy(ROOT / name, folder)
    text = (folder / script).read_text()
    for name, value in (constants or {}).items():
        text, count = re.subn(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} in {script}"
    (folder / script).write_text(text)


def environment():
    """Return a poor environment: no home, no display, no settings of Matplotlib or TensorFlow."""
    ours = re.compile("DISPLAY|WAYLAND|MPL|XDG_|TF_|PYTHON")
    return {name: value for name, value in os.environ.items() if not ours.match(name)} | {"HOME": "/dev/null/home"}


def start(folder, script, *flags, shell='"$@"', python=()):
    """Start a script from the root folder, with what a shell does about its streams."""
    return subprocess.Popen(
        ["bash", "-c", shell if "|" in shell else f"exec {shell}", "-"]
        + [sys.executable, *python, folder / script, *flags],
        cwd="/", env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process, folder, typed=None, out=""):
    rest, err = process.communicate(typed, timeout=200)
    images = folder.glob("img/[!.]*")
    return Run(folder, process.returncode, out + rest, err, {path.name: path.read_bytes() for path in images})


def run(folder, script, *flags, shell='"$@"', **constants):
    copy_scripts(folder, script, constants)
    return finish(start(folder, script, *flags, shell=shell), folder)


def run_then_ask(folder, script, *flags):
    """Stay at the prompt after a run, python -i, and press Ctrl-C there."""
    copy_scripts(folder)
    question = "import os\ntry: os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt: print('as ever')\n\n"
    return finish(start(folder, script, *flags, python=["-i"]), folder, question)


def interrupt_importing(folder, seconds):
    """Press Ctrl-C so long after the start."""
    copy_scripts(folder)
    process = start(folder, "gan.py")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    return finish(process, folder)


def interrupt_training(folder):
    """Press Ctrl-C in the middle of a long run, at its eighth line."""
    copy_scripts(folder)
    process = start(folder, "gan.py", "--games", "1000000", "--discr-update", "5")
    lines = [process.stdout.readline() for _ in range(8)]
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    return finish(process, folder, out="".join(lines)), time.monotonic() - pressed


def kill_saving(folder):
    """Kill a run as soon as anything in img/ changes."""
    copy_scripts(folder)
    images = folder / "img"
    images.mkdir()
    for kind in KINDS:
        (images / kind.format("40_1_1")).write_bytes(OLD)

    def state():
        return {(entry.name, entry.inode()) for entry in os.scandir(images)}

    before = state()
    process = start(folder, "gan.py", "--games", "40")
    while state() == before and process.poll() is None:
        time.sleep(1e-4)
    process.kill()
    return finish(process, folder)


def start_all(folder):
    """Start every run that the tests look at, two at a time: an executor, and futures by name."""
    noisy = {"GAMES": 60, "DISCR_UPDATE": 2, "GEN_UPDATE": 3, "NOISE_STD": 0.5}
    noisy_flags = [f"--{name.lower().replace('_', '-')}={value}" for name, value in noisy.items()]
    seeds = "--games=20", "--seeds=2"
    closed, full = '"$@" >&- 2>&-', '"$@" >/dev/full 2>/dev/full'
    ended = '"$@" 2>&1 | true; exit "${PIPESTATUS[0]}"'
    jobs = {
        "default": (run, "gan.py", "--games", "45"),
        "edited": (run, "gan.py", {"GAMES": 45, "shell": full}),
        "other seed": (run, "gan.py", "--games", "45", "--seed", "1", {"shell": closed}),
        "noisy": (run, "noisy_gan.py", *noisy_flags),
        "noisy edited": (run, "noisy_gan.py", noisy),
        "seeds": (run, "gan.py", *seeds, {"shell": ended}),
        "theory": (run, "plots.py"),
        "theory closed": (run, "plots.py", {"shell": closed}),
        "theory ended": (run, "plots.py", {"shell": ended}),
        "theory help": (run, "plots.py", "--help", {"shell": full}),
        "help ended": (run, "noisy_gan.py", "--help", {"shell": ended}),
        "noisy bad constant": (run, "noisy_gan.py", {"NOISE_STD": "-1"}),
        "prompt": (run_then_ask, "gan.py", *seeds),
        "prompt refused": (run_then_ask, "gan.py", "--games=0"),
        "prompt theory": (run_then_ask, "plots.py", "--help"),
        "interrupted early": (interrupt_importing, 0.5),
        "interrupted importing": (interrupt_importing, 2),
        "interrupted training": (interrupt_training,),
        "killed": (kill_saving,),
    }
    executor, futures = ThreadPoolExecutor(2), {}
    for name, (job, *arguments) in jobs.items():
        place = folder / name.replace(" ", "_")
        place.mkdir()
        constants = arguments.pop() if isinstance(arguments and arguments[-1], dict) else {}
        futures[name] = executor.submit(job, place, *arguments, **constants)
    return executor, futures
