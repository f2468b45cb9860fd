"""x"""
GAMES = 500  # games in a run
DISCR_UPDATE = 50  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
NOISE_STD = 1.0  # standard deviation of the noise on what the discriminator sees

import signal

if __name__ == "__main__":  # as in gan.py
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import dataclasses
from typing import NamedTuple

import numpy as np

import gan


class NoisyDraws(NamedTuple):
    params: np.ndarray
    x: np.ndarray
    z_discr: np.ndarray
    z_gen: np.ndarray
    noise_real: np.ndarray
    noise_fake: np.ndarray


@dataclasses.dataclass(frozen=True)
class NoisyGAN(gan.GAN):
    noise_std: float = NOISE_STD
    file_prefix = "noisy_"

    def draw(self, seed):
        rng = np.random.default_rng(seed)
        draws = super().draw(rng)
        noise = rng.normal(0, self.noise_std, size=(2, *draws.z_discr.shape))
        return NoisyDraws(*draws, noise_real=noise[0], noise_fake=noise[1])

    def seen(self, dealt, fake):
        return dealt.x + dealt.noise_real, fake + dealt.noise_fake


if __name__ == "__main__":
    gan.main(NoisyGAN, games=GAMES, discr_update=DISCR_UPDATE, gen_update=GEN_UPDATE, noise_std=NOISE_STD)
