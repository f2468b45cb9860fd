"""Train the GAN of gan.py while noise blurs everything that the discriminator sees.

    python noisy_gan.py                                  strong discriminator, and yet it trains
    python noisy_gan.py --noise-std 0.3                  less noise

D sees x + e and G(z) + e', e and e' ~ N(0, NOISE_STD) drawn apart, so that the two distributions
come closer to overlapping and D is less sure and less steep (Arjovsky & Bottou 2017,
arXiv:1701.04862, sec. 3). G learns through the same blurred eyes; the pictures show its samples
without noise, and faintly as D sees them.
"""

GAMES = 500  # games (rounds) in a run
DISCR_UPDATE = 50  # steps of the discriminator in each game
GEN_UPDATE = 1  # steps of the generator in each game
NOISE_STD = 1.0  # standard deviation of the noise on what the discriminator sees
GEN_LOSS = "saturating"  # what G descends; or "non-saturating", or "middle", the mean of the two

import dataclasses
import gc
import sys
from collections import namedtuple

import numpy as np

import gan

# All randomness of gan.Draws, and the noise (games, N) on real and on generated samples: one draw of each kind a game
NoisyDraws = namedtuple("NoisyDraws", [*gan.Draws._fields, "noise_real", "noise_fake"])


@dataclasses.dataclass(frozen=True)
class NoisyGAN(gan.GAN):
    """The game in which D sees everything through noise of standard deviation `noise_std`."""

    noise_std: float = 1.0
    theory = True

    def draw(self, seed):
        """Draw what `gan.GAN` draws from the seed, and the noise, from a stream of its own."""
        rng = np.random.default_rng(seed)
        draws = super().draw(rng)
        (stream,) = rng.spawn(1)
        noise = self.noise_std * stream.standard_normal((self.games, 2, self.num_samples))
        return NoisyDraws(*draws, noise_real=noise[:, 0], noise_fake=noise[:, 1])

    def seen(self, batch, fake):
        """Return the real and the generated samples as D sees them: blurred."""
        return batch.x + batch.noise_real, fake + batch.noise_fake


if __name__ == "__main__":
    gc.freeze()  # else the garbage collector searches all that is imported: a sixth of a run
    gan.main(sys.argv[1:], NoisyGAN, globals())
