"""The pictures in img/ against those that the README's block of commands makes today."""

import io
import shlex

import matplotlib as mpl
import numpy as np
import PIL
import pytest
from PIL import Image, ImageSequence
from trained import README, code_blocks

import gan
import noisy_gan
import plots

ROOT = README.parent
(BLOCK,) = (block for block in code_blocks(README.read_text(), "sh") if "python plots.py\n" in block)
MADE_WITH = "3.11.2", "13.0.0"  # Matplotlib, Pillow
ROUNDING, REDRAWN = 1e-4, 0.03  # share of pixels that another processor, and that other versions, may change


def changed(one, other, block=1):
    """Compute the share of blocks of pixels that differ clearly in two files; 1 if their frames do not correspond."""
    images = (Image.open(io.BytesIO(content)) for content in (one, other))
    frames = [
        [np.asarray(frame.convert("RGB").reduce(block), int) for frame in ImageSequence.Iterator(image)]
        for image in images
    ]
    if [frame.shape for frame in frames[0]] != [frame.shape for frame in frames[1]]:
        return 1
    return np.mean([np.abs(a - b).max(axis=-1) > 32 for a, b in zip(*frames)])


def test_changed_can_tell():
    white, black = (Image.new("RGB", (10, 10), color) for color in ("white", "black"))
    white.putpixel((0, 0), (0, 0, 0))
    files = []
    for image in (white, black):
        image.save(buffer := io.BytesIO(), "PNG")
        files.append(buffer.getvalue())
    assert changed(files[0], files[0]) == 0
    assert changed(*files) == 0.99


@pytest.mark.parametrize("line", BLOCK.splitlines())
def test_committed_pictures_are_what_the_commands_make(line, images, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    script, *flags = shlex.split(line.partition("python ")[2])
    if script == "plots.py":
        plots.main(flags)
    elif script == "noisy_gan.py":
        gan.main(noisy_gan.NoisyGAN, flags, prefix="noisy_")
    else:
        gan.main(gan.GAN, flags)
    made = {path.name: path.read_bytes() for path in images.iterdir()}
    assert made
    same_versions = (mpl.__version__, PIL.__version__) == MADE_WITH
    block, most = (1, ROUNDING) if same_versions else (6, REDRAWN)  # others set letters some pixels from there
    for name, fresh in made.items():
        committed = (ROOT / "img" / name).read_bytes()
        assert fresh == committed or changed(fresh, committed, block) < most, name
