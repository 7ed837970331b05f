"""Whatever a stranger's URDF says, the answer is a robot or an `R2SError`, never another exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.robot import stage

ARM6 = Path(__file__).parents[2] / "samples/arm6/arm6.urdf"
ODD_VALUES = ["0", "-1", "1e-30", "0.5 0.5 0.5", "0 0 0", "-1 -1 -1", "fixed", "continuous"]
BAD_VALUES = [
    "", "nan", "inf", "1e30", "abc", "1 2", "../../etc/passwd", "world", "${x}", "\u00e9 \u4e2d", "a" * 300,
]  # fmt: skip


def mutate(text: str, random_state: random.Random) -> str:
    """Return the file with one or two attributes replaced, or a line cut out."""
    values = ODD_VALUES if random_state.random() < 0.7 else BAD_VALUES
    for _ in range(random_state.randint(1, 2)):
        quotes = [i for i, c in enumerate(text) if c == '"']
        if random_state.random() < 0.85 and len(quotes) > 6:
            which = 2 * random_state.randrange(3, len(quotes) // 2)
            begin, end = quotes[which], quotes[which + 1]
            text = text[: begin + 1] + random_state.choice(values) + text[end:]
        else:
            lines = text.splitlines()
            del lines[random_state.randrange(len(lines))]
            text = "\n".join(lines)
    return text


def survives(text: str, folder: Path, samples: int) -> bool:
    """Return whether the mutated robot was imported; raise anything that is no `R2SError`."""
    path = folder / "mutant.urdf"
    path.write_text(text, encoding="utf-8")
    config = stage.Config.model_validate({"samples": samples})
    try:
        robot = stage.run({}, config, StageContext(scratch=folder, sources={"robot": path}))
    except R2SError as error:
        assert error.code.startswith("R2S-ROBOT-") and error.where and error.remedy
        return False
    assert robot.info.mass_kg >= 0
    return True


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.campaign)])
def test_mutants_are_robots_or_errors(tmp_path, monkeypatch, count):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings into the current folder
    text = ARM6.read_text()
    outcomes = [survives(mutate(text, random.Random(seed)), tmp_path, 100) for seed in range(count)]
    assert any(outcomes) and not all(outcomes)
