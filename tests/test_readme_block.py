"""The README's game in plain NumPy prints, digit for digit, what the reports of `gan.py` print of the same runs."""

import re
import subprocess
import sys

import numpy as np
from trained import README, code_blocks

import gan
import hessian

SETTINGS = [
    (1500, 1, 1, "saturating"),
    (500, 50, 1, "saturating"),
    (500, 1, 50, "saturating"),
    (500, 50, 1, "non-saturating"),
]


def test_block_agrees_with_the_engine():
    (block,) = (block for block in code_blocks(README.read_text(), "python") if "def play(" in block)
    assert [line for line in block.splitlines() if "import" in line] == ["import numpy as np"]
    assert len([line for line in block.splitlines() if line.strip()]) <= 26
    command = [sys.executable, "-W", "error", "-c", block]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for games, discr_update, gen_update, loss in SETTINGS:
        model = gan.GAN(games, discr_update, gen_update, gen_loss=loss)
        draws = model.draw(0)
        history = model.train(draws)
        there = hessian.equilibrium(model, draws.x, history.params[-1])
        report = "\n".join(hessian.closing_report(model, draws, history, np.ones((1, 4)), there))
        digits = re.search(r"objective V +(\S+), .*\n +generated mean, std +(\S+), (\S+)\n", report).groups()
        assert printed.pop(0) == "V {}, mean {}, std {}".format(*digits)
    assert printed == []
