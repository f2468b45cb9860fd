"""The README shows the pictures that its own commands make, leads where it says, and is no longer than agreed."""

import io
import re
import shlex
import shutil
import subprocess
import sys
from functools import partial

import matplotlib as mpl
import numpy as np
import PIL
import pytest
from PIL import Image, ImageSequence
from processes import ROOT
from trained import README, code_blocks, read_command, rounds_to

import gan
import hessian
import noisy_gan
import plots

pytest_plugins = ["seeds"]
WORDS = {1: 2000, 2: 1800, 3: 900, 4: 1700, 5: 600}  # at most, by parts
(BLOCK,) = (text.splitlines() for text in code_blocks(README.read_text(), "sh") if "python plots.py\n" in text)
MADE_WITH = "3.11.2", "13.0.0"  # Matplotlib, Pillow
ROUNDING, REDRAWN = 1e-4, 0.03  # share of pixels that another processor, and that other versions, may change


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The pictures that the block's commands make, name to bytes."""
    mains = {"gan.py": partial(gan.main, gan.GAN), "plots.py": plots.main}
    mains["noisy_gan.py"] = partial(gan.main, noisy_gan.NoisyGAN, prefix="noisy_")
    folder = tmp_path_factory.mktemp("img")
    gan.COMPILED.clear()  # room for what the tests below share
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "agg")
        patch.setattr(plots, "IMAGES", folder)
        for line in BLOCK:
            script, *flags = shlex.split(line.partition("python ")[2])
            mains[script](flags)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shown_pictures(readme):
    return set(re.findall(r"!\[[^]]*\]\(img/([\w-]+\.\w+)\)", readme))


def test_shown_pictures_are_those_that_the_printed_block_makes(readme, made):
    assert shown_pictures(readme) == made.keys()
    assert len(re.findall(r"!\[", readme)) == len(re.findall(r"!\[[^]]+\]\(img/[\w-]+\.(?:gif|png)\)", readme)) > 20
    assert "the sixth and the seventh train 100 runs" in " ".join(readme.split())
    seeds = {number: read_command(line).seeds for number, line in enumerate(BLOCK, 1) if "--seeds" in line}
    assert seeds == {6: 100, 7: 100}


def test_pictures_in_the_repository_are_those_shown(readme):
    """What git holds: a reader's own pictures in img/ are no concern of the text."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "img"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.removeprefix("img/") for name in listed.split()} == shown_pictures(readme)


def changed(one, other, block=1):
    """Compute the share of blocks of pixels that differ clearly in two files; 1 if their frames do not correspond."""
    images = (ImageSequence.Iterator(Image.open(io.BytesIO(content))) for content in (one, other))
    frames = [[np.asarray(frame.convert("RGB").reduce(block), int) for frame in image] for image in images]
    if [frame.shape for frame in frames[0]] != [frame.shape for frame in frames[1]]:
        return 1
    return np.mean([np.abs(a - b).max(axis=-1) > 32 for a, b in zip(*frames)])


def test_committed_pictures_are_what_the_commands_make(made):
    gray, darker = (io.BytesIO() for _ in range(2))
    for file, level in ((gray, 200), (darker, 160)):
        Image.new("L", (10, 10), level).save(file, "PNG")
    assert [changed(gray.getvalue(), file.getvalue()) for file in (gray, darker)] == [0, 1]  # it can tell
    same_versions = (mpl.__version__, PIL.__version__) == MADE_WITH
    block, most = (1, ROUNDING) if same_versions else (6, REDRAWN)  # others set letters some pixels from there
    committed = {name: (ROOT / "img" / name).read_bytes() for name in made}
    others = [name for name, fresh in made.items() if fresh != committed[name]]
    assert [name for name in others if changed(made[name], committed[name], block) >= most] == []


def test_files_and_methods_that_the_readme_names_exist(readme):
    named = set(re.findall(r"(?<![\w/.])((?:tests/)?(?:\w+\.py|requirements\.txt))\b", readme))
    named |= {target for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", readme) if not target.startswith("img/")}
    assert {"gan.py", "noisy_gan.py", "hessian.py", "plots.py", "tests/requirements.txt"} < named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    named = set(re.findall(r"`GAN\.(\w+)`", readme))
    assert {"deal", "logits", "objective", "play", "train"} < named
    assert [name for name in sorted(named) if not callable(getattr(gan.GAN, name, None))] == []


def slug(heading):
    """Make the anchor of a heading as GitHub does: without marks, and with a dash for each space."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_anchors_lead_to_headings_and_the_contents_list_them_in_their_order(readme):
    text = without_code(readme)
    slugs = [slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    assert len(slugs) == len(set(slugs))  # no two alike: GitHub would number them
    anchors = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert (len(anchors) > 15, anchors - set(slugs)) == (True, set())
    head, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    headings = [section.partition("\n")[0] for section in sections]
    labels = [heading.removesuffix(" that readers ask") for heading in headings]
    assert re.findall(r"\[([^]]+)\]\(#([^)]+)\)", head) == [*zip(labels, map(slug, headings))]
    assert [label[:7] for label in labels if label != "Questions"] == [f"Part {number}:" for number in WORDS]


def words(text, tables=True):
    """Count words of prose, and those of tables: no code, no formulas set apart, no pictures, no addresses, no tags."""
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", "", without_code(text))
    text = re.sub(r"\]\([^)]*\)|<[^>]+>", " ", text)
    lines = [line for line in text.splitlines() if tables or not line.startswith("|")]
    return sum(bool(re.search(r"\w", word)) for word in " ".join(lines).split())


def test_parts_say_for_whom_they_are_and_keep_to_their_length(readme):
    """Those of many tables without them."""
    text = "One, *two*.\n| three |\n![four](img/x.png)\n```\nfive\n```\n[six](#seven)"
    assert (words(text), words(text, tables=False)) == (4, 3)
    for number, most in WORDS.items():
        part = re.split(r"^## ", readme.partition(f"\n## Part {number}: ")[2], flags=re.MULTILINE)[0]
        assert re.match(r".+\n\n\*For (?:students|readers) who [^*]+\*", part)
        assert most / 4 < words(part, tables=number in (1, 2, 4)) <= most, number
    assert words(readme, tables=False) <= 7000


def test_use_from_python(readme, tmp_path, monkeypatch, capsys):
    (text,) = (text for text in code_blocks(readme, "python") if "monitor.png" in text)
    monkeypatch.chdir(tmp_path)
    variables = {}
    exec(text, variables)
    objective, mean = map(float, capsys.readouterr().out.split())
    (report,) = (text for text in code_blocks(readme, "console") if text.startswith("$ python gan.py\n"))
    assert rounds_to(re.search(r"objective V +(-[\d.]+)", report)[1], objective)
    assert rounds_to(re.search(r"generated mean, std +([\d.]+)", report)[1], mean)
    shapes = re.search(r"params (\(.*?\)), objective (\(.*?\)), ", text).groups()
    assert shapes == tuple(str(np.shape(column)) for column in variables["history"][:2])
    assert (tmp_path / "monitor.png").read_bytes()[1:4] == b"PNG"
    assert plots.generated_mean(variables["history"].params[-1]) == mean


def test_game_in_numpy_prints_digit_for_digit_what_the_reports_print():
    (block,) = (block for block in code_blocks(README.read_text(), "python") if "def play(" in block)
    assert [line for line in block.splitlines() if "import" in line] == ["import numpy as np"]
    assert len([line for line in block.splitlines() if line.strip()]) <= 26
    command = [sys.executable, "-W", "error", "-c", block]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    other = gan.GAN(500, 50, 1, gen_loss="non-saturating")
    for model in (gan.GAN(1500, 1, 1), gan.GAN(500, 50, 1), gan.GAN(500, 1, 50), other):
        draws = model.draw(0)
        history = model.train(draws)
        there = hessian.equilibrium(model, draws.x, history.params[-1])
        report = "\n".join(hessian.closing_report(model, draws, history, np.ones((1, 4)), there))
        digits = re.search(r"objective V +(\S+), .*\n +generated mean, std +(\S+), (\S+)\n", report).groups()
        assert printed.pop(0) == "V {}, mean {}, std {}".format(*digits)
    assert printed == []
