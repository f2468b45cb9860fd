"""The README's Python blocks, run as printed: what they print is the text's."""

import dataclasses
import gc
import re
import runpy

import numpy as np
import pytest
from measure import README, Sample, changed, read_names

import gan
import hessian
import plots

TEXT = README.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXERCISES = {int(text[0]): text for text in re.split(r"^##+ ", TEXT, flags=re.MULTILINE) if text[0] in "345678"}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a block that holds some words, in a new folder: what it leaves, and prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plots, "IMAGES", tmp_path)

    def run(words, text=TEXT):
        (block,) = (block for block in BLOCK.findall(text) if words in block)
        block = filled(block, text)
        tmp_path.joinpath("block.py").write_text(block, encoding="utf-8")
        return runpy.run_path("block.py"), capsys.readouterr().out

    yield run
    gc.collect()  # a block and its functions hold each other


def filled(program, text):
    """Put the methods of the answers in place of a program's stubs."""
    for answer in BLOCK.findall(text) if "...  # yours\n" in program else ():
        if name := re.match(r"    def (\w+)\(self, .*\):\n", answer):
            stub = rf'^    def {name[1]}\(.*\):\n        """.*"""\n        \.\.\.  # yours\n'
            program, count = re.subn(stub, lambda _, answer=answer: answer, program, flags=re.MULTILINE)
            assert count == 1
    assert "...  # yours\n" not in program
    return program


def read_lines(out):
    """Find what "GAN, middle: 0% stalled, std 0.608" says: by label, colon, first word; no blanks or =."""
    found = {}
    for label, phrases in re.findall(r"^([^:\n]+): (.*\d.*)", out, re.MULTILINE):
        for phrase in phrases.split(", "):
            number = re.search(r"[\d.]+%|-?[\d.]+$", phrase)[0]
            word = phrase.replace(number, "").split()[0]
            found[f"{re.sub('[ =]', '', label)}:{word}"] = float(number.rstrip("%")), number[-1] == "%"
    return found


def agrees(printed, value, percent):
    """Say whether a number is the text's, but for one of 100 seeds, or 1 in 100."""
    slack = abs(value) / 10 if printed.some else 1 if percent else abs(value) / 100
    return abs(float(printed.number) - value) <= slack + 0.501 * 10.0 ** -len(printed.number.partition(".")[2])


@pytest.mark.parametrize("number", EXERCISES)
def test_exercise(run, number):
    variables, out = run("import gan", EXERCISES[number])
    values, named = read_lines(out), [one for one in read_names(EXERCISES[number]) if ":" in one.name]
    if number == 5:
        values |= {f"r{r}:product": (values[f"r{r}:from"][0] * (2.4 + 5 * r), False) for r in (0.3, 1, 3, 10, 30)}
        for ratio in (1, 30):
            model = dataclasses.replace(variables["model"], init_std=5.0, ratio=float(ratio))
            each = (map(model.draw, seeds) for seeds in np.split(np.arange(200), 2))  # as many as the block trains
            ends = [hessian.at_draw(model.train(gan.stack_seeds(draws)).objective[:3000]) for draws in each]
            (bad,) = (one for one in named if one.name == f"r{ratio}:bad")
            assert Sample(np.concatenate(ends)).fits(named.pop(named.index(bad)))
    assert len(named) > 2
    assert [one for one in named if not agrees(one, *values[one.name])] == []
    if number == 7:
        exec("import plots\n" + re.search(r"^`(plots\.save\(.*\))`$", TEXT, re.MULTILINE)[1], variables)
        assert plots.IMAGES.joinpath("variant.gif").read_bytes()[:3] == b"GIF"
    if number == 8:
        assert not changed("collapse.gif", plots.IMAGES.joinpath("collapse.gif").read_bytes())


def test_own_data_and_resuming(run):
    variables, out = run("mine.png")
    w, b = variables["history"].params[-1, :2]
    made = [float(number) for number in re.findall(r"\d\.\d+", out.splitlines()[0])]
    assert len(made) == 5
    assert min(b, b + w) <= min(made) < max(made) <= max(b, b + w)
    assert "# params {}, objective {}, ...".format(*(values.shape for values in variables["history"][:2])) in TEXT
    assert plots.IMAGES.joinpath("mine.png").read_bytes()[1:4] == b"PNG"
    assert run("run.npz")[1] == "True\n"
