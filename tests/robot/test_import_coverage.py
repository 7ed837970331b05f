"""Every robot at hand imports and keeps what its file says, or is refused by name.

CI takes a handful of the most different ones; `nox -s bench` all of them, and prints the table.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("yourdfpy")
import import_checks

from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.robot import stage

HANDFUL = (
    "allegro_hand_description/urdf/allegro_right_hand.urdf",
    "bolt_description/robots/bolt.urdf",
    "borinot_description/urdf/borinot_flying_arm_2.urdf",
    "double_pendulum_description/urdf/double_pendulum_continuous.urdf",
    "go2_description/urdf/go2.urdf",
    "panda_description/urdf/panda.urdf",
    "so_arm_description/urdf/so101.urdf",
)
SHARED = (
    "so_arm100/so100.urdf",
    "staubli_tx40/urdf/tx40_mdh_modified.urdf",
    "unitree_go1/go1.xml",
)
# Kinds by folder of example-robot-data (and the shared robots'), as their makers would say.
KINDS = {
    "quadruped": "a1 anymal_b anymal_c b1 centauro go1 go2 hyq laikago quadruped solo unitree_go1",
    "biped": "alexander bolt g1 human icub romeo simple_humanoid talos",
    "arm": "alex asr double_pendulum kinova panda so_arm so_arm100 staubli ur xarm z1 baxter",
    "hand": "allegro finger_edu",
    "mobile_manipulator": "pr2 tiago tiago_pro",
    "aerial": "borinot hector hextilt iris",
}
ARM_OF_A_BIPED = "talos_left_arm"
AT_LEAST = 64  # of example-robot-data's 69 URDFs


@pytest.mark.parametrize("name", HANDFUL)
def test_an_example_keeps_what_its_file_says(example_robots, imported, name):
    path = example_robots / name
    assert import_checks.check(path, imported(path)).failures == []


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_robot_keeps_what_its_file_says(shared_data, imported, name):
    path = shared_data / "robots" / name
    assert import_checks.check(path, imported(path)).failures == []


def test_the_checks_notice_what_is_not_kept(example_robots, imported):
    path = example_robots / "double_pendulum_description/urdf/double_pendulum_continuous.urdf"
    robot = imported(path)
    xml = robot.files["robot.xml"].decode()
    assert 'pos="' in xml
    bent = {**robot.files, "robot.xml": xml.replace('mass="0.', 'mass="1.').encode()}
    broken = type(robot)(robot.info.model_copy(update={"mass_kg": 9.0}), bent)
    failures = import_checks.check(path, broken).failures
    assert any("mass 9.0" in failure for failure in failures)
    other = example_robots / "double_pendulum_description/urdf/double_pendulum_simple.urdf"
    assert any("kinematics" in failure for failure in import_checks.check(other, robot).failures)


@pytest.mark.campaign
def test_every_robot_imports_or_is_refused_by_name(example_robots, tmp_path):
    """R2S_BENCH_ROBOTS: only paths that contain it."""
    only = os.environ.get("R2S_BENCH_ROBOTS", "")
    paths = [path for path in sorted(example_robots.rglob("*.urdf")) if only in str(path)]
    shared = Path(__file__).parents[3] / "shared/data/robots"
    paths += [shared / name for name in SHARED if (shared / name).exists() and only in name]
    rows = [_row(path, tmp_path) for path in paths]
    print("\n" + "\n".join(_lines(rows)))
    assert [row for row in rows if row["failures"]] == []
    assert [row["robot"] for row in rows if row["kind"] not in ("-", _kind(row["path"]))] == []
    if not only:
        imported = [row for row in rows if row["verdict"] == "ok" and "shared" not in row["path"]]
        assert len(imported) >= AT_LEAST


def _kind(path: str) -> str:
    """Return the kind of the longest prefix that the robot's folder begins with."""
    if ARM_OF_A_BIPED in path:
        return "arm"
    folder = re.search(r"robots/([^/]+)/", path)
    assert folder is not None
    prefixes = [(prefix, kind) for kind, names in KINDS.items() for prefix in names.split()]
    return max((len(p), k) for p, k in prefixes if folder[1].startswith(p))[1]


def _row(path: Path, scratch: Path) -> dict:
    began = time.perf_counter()
    row = {"path": str(path), "robot": path.stem, "failures": [], "repairs": "", "base": "-"}
    row |= {"kind": "-", "fk": "-", "stands": "-", "evidence": ""}
    config = stage.Config.model_validate({"samples": 300})
    try:
        robot = stage.run({}, config, StageContext(scratch=scratch, sources={"robot": path}))
    except R2SError as error:
        assert error.where and error.remedy
        return row | {"verdict": f"refused {error.code}: {error.what}", "seconds": 0.0}
    seconds = time.perf_counter() - began
    verdict = import_checks.check(path, robot)
    rules = Counter(each.rule for each in robot.info.repairs)
    return row | {
        "kind": robot.info.kind,
        "base": robot.info.base,
        "verdict": "FAILS " + "; ".join(verdict.failures) if verdict.failures else "ok",
        "failures": verdict.failures,
        "repairs": ", ".join(f"{count} {rule}" for rule, count in rules.most_common()),
        "fk": f"{verdict.fk_error_m:.0e}",
        "stands": verdict.stands,
        "seconds": seconds,
    }


def _lines(rows: list[dict]) -> list[str]:
    head = (
        f"{'robot':34} {'kind':18} {'base':8} {'fk [m]':7} {'stands':6} {'s':>5}  verdict; repairs"
    )
    return [head] + [
        f"{row['robot'][:34]:34} {row['kind']:18} {row['base']:8} {row['fk']:7} {row['stands']:6} "
        f"{row['seconds']:5.1f}  {row['verdict']}; {row['repairs'] or 'none'}"
        for row in rows
    ]
