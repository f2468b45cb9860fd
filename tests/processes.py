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
NOISY = {"GAMES": 60, "DISCR_UPDATE": 2, "GEN_UPDATE": 3, "NOISE_STD": 0.5}


class Run(NamedTuple):
    status: int
    out: str
    err: str
    files: dict  # of img/, name to bytes, without hidden ones


def edit(script, constants):
    """Return a script's text with some constants edited."""
    text = (ROOT / script).read_text(encoding="utf-8")
    for name, value in constants.items():
        text, count = re.subn(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} in {script}"
    return text


def copy_scripts(folder, script="gan.py", constants=(), encoding=None):
    """Copy the scripts, one of them with edited constants, and saved in an encoding as an editor does.

    plots.py needs none of the others.
    """
    for name in SCRIPTS if script != "plots.py" else ():
        shutil.copy(ROOT / name, folder)
    head = f"# -*- coding: {encoding} -*-\n# für Zoë\n" if encoding else ""
    (folder / script).write_text(head + edit(script, dict(constants)), encoding=encoding or "utf-8")


def environment(**more):
    """Return a poor environment: no home, no display, no settings of Matplotlib or TensorFlow, and some more."""
    ours = re.compile("DISPLAY|WAYLAND|MPL|XDG_|TF_|PYTHON")
    theirs = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return theirs | {"HOME": "/dev/null/home"} | more


def start(folder, script, *flags, shell='exec "$@"', **more):
    """Start a script, with what a shell does about its streams and its folder, and more in its environment."""
    return subprocess.Popen(
        ["bash", "-c", shell, "-", sys.executable, folder / script, *flags],
        cwd=folder, env=environment(**more), text=True, encoding="utf-8", errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process, folder, out=""):
    rest, err = process.communicate(timeout=200)
    images = folder.glob("img/[!.]*")
    return Run(process.returncode, out + rest, err, {path.name: path.read_bytes() for path in images})


def run(folder, script, *flags, constants=(), encoding=None, **how):
    copy_scripts(folder, script, constants, encoding)
    return finish(start(folder, script, *flags, **how), folder)


def die_importing(folder):
    """Run on a machine on which TensorFlow's library ends the process as it is loaded."""
    (folder / "broken").mkdir()
    (folder / "broken" / "tensorflow.py").write_text("import os\nos.write(2, b'no such instruction\\n')\nos.abort()\n")
    return run(folder, "gan.py", PYTHONPATH=str(folder / "broken"))


def interrupt_training(folder):
    """Press Ctrl-C in the middle of a long run, at its fortieth line."""
    copy_scripts(folder)
    process = start(folder, "gan.py", "--games", "1000000", "--discr-update", "5")
    lines = [process.stdout.readline() for _ in range(40)]
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    return finish(process, folder, out="".join(lines)), time.monotonic() - pressed


def start_all(folder):
    """Start every run that the tests look at, two at a time: an executor, and futures by name."""
    odd = {"MPLBACKEND": "nonsense", "PYTHONIOENCODING": "ascii", "encoding": "latin-1"}
    odd |= {"shell": 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'}
    notebook = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    head = {"shell": '"$@" | head -n 1; exit "${PIPESTATUS[0]}"'}
    jobs = {
        "edited zoë": (run, "gan.py", {"constants": {"GAMES": 45}} | odd),
        "noisy": (run, "noisy_gan.py", {"constants": NOISY} | notebook),
        "ended": (run, "gan.py", "--games=20", "--seeds=2", head),
        "theory": (run, "plots.py", {}),
        "dying": (die_importing, {}),
        "interrupted": (interrupt_training, {}),
    }
    executor, futures = ThreadPoolExecutor(2), {}
    for name, (job, *arguments, how) in jobs.items():
        place = folder / name.replace(" ", "_")
        place.mkdir()
        futures[name] = executor.submit(job, place, *arguments, **how)
    return executor, futures
