"""README.md keeps its length, leads where it says, and shows what the scripts make."""

import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess

import pytest
from measure import README, changed
from PIL import Image

import gan
import hessian
import noisy_gan
import plots
from noisy_gan import NoisyGAN

TEXT, ROOT = README.read_text(encoding="utf-8"), README.parent
PROSE = " ".join(TEXT.split())
MOST_WORDS = {"Part 1": 2150, "Part 2": 1440, "Part 3": 681, "Part 4": 1644, "Part 5": 694}  # questions: of part 1
SHOWN = re.findall(r"!\[[^]]+\]\(img/([\w.-]+)\)", TEXT)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_length():
    parts = re.split(r"^## (?=Part)", TEXT, flags=re.MULTILINE)[1:]
    assert [part[:6] for part in parts] == list(MOST_WORDS)
    assert [part[:6] for part in parts if len(part.split()) > MOST_WORDS[part[:6]]] == []
    assert len(TEXT.split()) <= 6800


def test_links():
    """Anchors are headings; files and methods exist; no path is of one machine."""
    slug = lambda heading: re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    headings = re.findall(r"^(#+) (.*)$", re.sub(r"^```.*?^```$", "", TEXT, flags=re.M | re.S), re.MULTILINE)
    slugs = [slug(words) for _, words in headings]
    assert len({*slugs}) == len(slugs)
    targets = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    anchors = [target[1:] for target in targets if target[0] == "#"]
    assert {*anchors} <= {*slugs}
    chapters = [slug(words) for level, words in headings if level == "##"]
    assert anchors[: len(chapters)] == chapters
    files = {target for target in targets if not target.startswith(("#", "https://"))}
    files |= set(re.findall(r"\b(?:tests/)?(?:\w+\.py|requirements\.txt)\b", TEXT))
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert all(hasattr(gan.GAN, name) for name in re.findall(r"`GAN\.(\w+)`", TEXT))
    assert not re.search(r"/(?:home|root|tmp|work|Users)/", TEXT)


def test_two_commands():
    """They differ in what is installed and run; .ci/run takes the second."""
    line = "python3 -m venv .venv && .venv/bin/pip install -r {} && .venv/bin/python {}\n"
    two = line.format("requirements.txt", "gan.py"), line.format("tests/requirements.txt", "-m pytest tests")
    assert blocks("bash") == [*two]
    assert TEXT.count("-m pytest tests") == 1


def test_settings_limits_and_words():
    """After a block of constants comes its run's picture; limits, versions and words are the scripts'."""
    pattern = r"```python\n((?:[A-Z_]+ = [\d.]+\n)+)```.*?!\[[^]]+\]\(img/[a-z]+_([\w-]+)\.\w+\)"
    kinds = gan.GAN, gan.GAN, gan.GAN, NoisyGAN
    for kind, (block, name) in zip(kinds, re.findall(pattern, TEXT, re.DOTALL), strict=True):
        constants = {name: json.loads(value) for name, value in re.findall(r"(\w+) = (\S+)", block)}
        assert gan.file_name(kind(**{name.lower(): value for name, value in constants.items()}), 0, 0) == name
        if name in ("1500_1_1", "noisy_500_50_1"):
            assert constants.items() <= vars(gan if kind is gan.GAN else noisy_gan).items()
    low, high = re.search(r"TensorFlow 2\.(\d+) to 2\.(\d+) will do", TEXT).groups()
    assert f"tensorflow>=2.{low},<2.{int(high) + 1}\n" in (ROOT / "requirements.txt").read_text()
    assert f"so {gan.LIMITS['games'][1]:,} is the most" in PROSE
    assert f"over the last {hessian.LAST_GAMES} games, is within {hessian.NEAR} of" in PROSE
    assert f"over the last games, is above {hessian.STALL};" in PROSE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the block's commands draw, if it is shown, and print; of 1000 seeds 31 are trained."""
    folder, reports = tmp_path_factory.mktemp("img"), {}
    (lines,) = (block.splitlines() for block in blocks("sh") if "python plots.py" in block)
    lines.remove("python plots.py")  # test_plots.py runs it
    shown, save = lambda name: name.replace("_seeds31", "") in SHOWN, plots.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "IMAGES", folder)
        patch.setattr(plots, "save", lambda each: save({name: each[name] for name in filter(shown, each)}))
        plots.save({"theory.png": plots.png(plots.theory_figure())})
        for line in lines:
            script, *flags = shlex.split(line.replace("--seeds 1000", "--seeds 31").partition("python ")[2])
            with contextlib.redirect_stdout(io.StringIO()) as out:
                gan.main(flags, {"gan.py": gan.GAN, "noisy_gan.py": NoisyGAN}[script])
            reports[line] = out.getvalue()
    return {path.name.replace("_seeds31", ""): path.read_bytes() for path in folder.iterdir()}, reports


def test_pictures(made):
    """All pictures come from the block or exercise 8, look so, and are all that git holds."""
    assert sorted(SHOWN) == sorted([*made[0], "collapse.gif"])
    assert len(SHOWN) == TEXT.count("![")
    assert [name for name, content in made[0].items() if changed(name, content)] == []
    for name, content in made[0].items():
        image = Image.open(io.BytesIO(content))
        assert image.format == name[-3:].upper()
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert len(content) < 600_000
        if image.format == "PNG" and not name.startswith("explore"):
            assert 1600 <= image.width <= 1800
    if shutil.which("git") and (ROOT / ".git").exists():  # a reader's own pictures are no concern
        held = subprocess.run(["git", "ls-files", "img"], cwd=ROOT, capture_output=True, text=True).stdout.split()
        assert {name[4:] for name in held if (ROOT / name).exists()} <= {*SHOWN}


def test_reports(made):
    """The printed reports and part 3's words for seed 0 are the commands'."""
    (printed,), (_, reports) = blocks("console"), made
    assert set(printed.splitlines()) < set(reports["python gan.py"].splitlines())
    assert re.search(r"prints `(-[^`]+i, 0)`", PROSE)[1] + "\n" in reports["python gan.py"]
    one, two, three = re.search(r"Yes: (\w+) as .*?, (\w+) as .*?, (\w+) as", PROSE).groups()
    words = {"": one, " --games 500 --discr-update 50": two, " --games 500 --gen-update 50": three}
    assert [flags for flags, word in words.items() if f" games: {word}\n" not in reports[f"python gan.py{flags}"]] == []
    assert f" games: {three}\n" in reports["python noisy_gan.py"]


def test_game_in_numpy(made, capsys):
    """It needs NumPy alone, and prints what the scripts report, digit for digit."""
    (block,), variables = (block for block in blocks("python") if "def play(" in block), {}
    exec(block, variables)
    assert {name for name in variables if name[0] != "_"} == {"np", "sigmoid", "play"}
    flags = ["--gen-update 50", "--discr-update 50", "--discr-update 50 --gen-loss non-saturating"]
    *few, last = (made[1][f"python gan.py{line}"] for line in ("", *(f" --games 500 {one}" for one in flags)))
    middle = "\n".join(hessian.closing_report(gan.run_seed(gan.GAN(500, 50, 1, gen_loss="middle"), 0)))
    for line, report in zip(capsys.readouterr().out.splitlines(), (*few, middle, last), strict=True):
        digits = re.search(r"objective V +(\S+), .*\n +generated mean, std +(\S+), (\S+)\n", report).groups()
        assert line == "V {}, mean {}, std {}".format(*digits)
