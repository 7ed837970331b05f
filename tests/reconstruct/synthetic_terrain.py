"""Hilly ground with a few things on it, seen by a simulated LiDAR: exact truth for the laws of terrain."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "samples"))

HALF_M, NODE_M = 7.0, 0.1


def bumpy(xy: np.ndarray, seed: int = 0, rise_m: float = 0.5) -> np.ndarray:
    """Return heights (n,) [m] at (n, 2): a slope of 4 % and waves of 3 to 9 m in every direction."""
    rng = np.random.Generator(np.random.PCG64([seed, 31]))
    height = 0.04 * xy[:, 0]
    for _ in range(8):
        wave, turn, phase = rng.uniform(3, 9), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        along = xy @ [np.cos(turn), np.sin(turn)]
        height = height + rise_m * wave / 24 * np.sin(2 * np.pi * along / wave + phase)
    return height


def hills(seed: int = 0, rise_m: float = 0.5) -> str:
    """Return MJCF: the ground, a wall, a tree and a crate on it, and three places to stand."""
    side = np.linspace(-HALF_M, HALF_M, round(2 * HALF_M / NODE_M) + 1)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    height = bumpy(grid, seed, rise_m)
    low = float(height.min())

    def on(x: float, y: float) -> float:
        return float(bumpy(np.array([[x, y]]), seed, rise_m)[0])

    # MJCF writes the row with the largest y first.
    rows = " ".join(f"{value - low:.6f}" for value in height.reshape(len(side), -1)[::-1].ravel())
    stands = [(0.0, 0.0), (-5.0, 4.0), (5.0, -4.0)]
    sites = "".join(
        f'<site name="stand_{k}" pos="{x} {y} {on(x, y)}"/>' for k, (x, y) in enumerate(stands)
    )
    return f"""<mujoco><asset><hfield name="ground" nrow="{len(side)}" ncol="{len(side)}"
      size="{HALF_M} {HALF_M} {np.ptp(height)} 1" elevation="{rows}"/></asset><worldbody>
      <geom type="hfield" hfield="ground" pos="0 0 {low}"/>
      <geom name="wall" type="box" size="1.5 0.1 1" pos="-4 -4 {on(-4, -4) + 0.8}"/>
      <geom name="trunk" type="cylinder" size="0.15 1.5" pos="4 3 {on(4, 3) + 1.4}"/>
      <geom name="crate" type="box" size="0.2 0.2 0.15" pos="2 -1.5 {on(2, -1.5) + 0.15}"/>
      {sites}</worldbody></mujoco>"""
