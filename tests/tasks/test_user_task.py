"""A user's own task: what is refused before it runs, what is told of a wrong one, and where it may run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own_tasks import FILE, TEXT, changed, scene_with

from r2s.artifacts.scene import Scene
from r2s.core.errors import IntegrityError, R2SError, UnsafeInput, UsageError
from r2s.tasks.task import Moment, bind
from r2s.tasks.user import UserTask, known, read_task, spec_of


def told(call, error=R2SError) -> R2SError:
    with pytest.raises(error) as caught:
        call()
    return caught.value


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file and returns how it is named on a command line."""

    def write(text: str | bytes, name: str = ":Wipe") -> str:
        path = tmp_path / "my_task.py"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return f"{path}{name}"

    return write


def test_the_sample_is_read_and_its_only_task_need_not_be_named():
    task = read_task(f"{FILE}:Wipe")
    assert task == read_task(str(FILE)) == UserTask(name="Wipe", text=TEXT)
    spec = spec_of(task)
    assert (spec.name, spec.like, spec.kind, spec.code) == ("Wipe", "reach", "reach", task.digest)


def test_the_same_text_is_the_same_task_wherever_it_lies_and_however_its_lines_end(
    written, tmp_path
):
    (tmp_path / "elsewhere.py").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert read_task(f"{tmp_path / 'elsewhere.py'}:Wipe").digest == read_task(written(TEXT)).digest
    assert read_task(written(TEXT + "\n# more\n")).digest != read_task(str(FILE)).digest


@pytest.mark.parametrize(
    ("text", "name", "code", "words"),
    [
        (b"\xff\xfe", ":Wipe", "R2S-TASK-021", "byte 0 is not UTF-8"),
        ("class Wipe:\n    def\n", ":Wipe", "R2S-TASK-021", "line 2"),
        ("x = 1\x00", ":Wipe", "R2S-TASK-021", "null byte"),
        ("(" * 5000, ":Wipe", "R2S-TASK-021", "not Python"),
        ("class A:\n  pass\nclass B:\n  pass\n", ":Wipe", "R2S-TASK-022", "it has A, B"),
        ("class A:\n  pass\nclass B:\n  pass\n", "", "R2S-TASK-022", "which class"),
        ("class reach:\n  pass\n", ":reach", "R2S-TASK-022", "that no task of r2s has"),
        ("class _A:\n  pass\n", ":_A", "R2S-TASK-022", "plain"),
    ],
)  # fmt: skip
def test_what_is_no_task_is_refused_without_running_it(written, text, name, code, words):
    error = told(lambda: read_task(written(text, name)), UsageError)
    assert error.code == code and words in str(error)


def test_a_file_that_is_not_there_is_told(tmp_path):
    error = told(lambda: read_task(f"{tmp_path}/gone.py:Wipe"), UsageError)
    assert error.code == "R2S-TASK-020" and "gone.py" in error.where


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("import neighbour", "a module of your own (neighbour.py)"),
        ("def f():\n    from neighbour.deep import thing", "a module of your own (neighbour.py)"),
        ("from . import neighbour", "not in the file"),
        ("import nowhere_at_all", "not installed here"),
        ("import importlib", "hides"),
        ("__import__('neighbour')", "hides"),
    ],
)
def test_an_import_of_what_is_not_installed_is_refused_by_line(
    written, tmp_path, monkeypatch, statement, words
):
    (tmp_path / "neighbour.py").write_text("raise AssertionError('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    head, import_, rest = TEXT.partition("import numpy as np\n")
    error = told(lambda: read_task(written(f"{head}{import_}{statement}\n{rest}")), UsageError)
    assert error.code == "R2S-TASK-023" and words in error.what
    line = head.count("\n") + 2 + statement.count("\n")
    assert error.where.endswith(f"line {line}")


def test_installed_packages_the_standard_library_and_r2s_may_be_imported(written):
    text = "import json, optax\nfrom scipy import spatial\nfrom r2s.tasks import reach\n" + TEXT
    assert (
        read_task(written(text.replace("from __future__ import annotations\n", ""))).name == "Wipe"
    )


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("POINTS = 5", "POINTS = 1 / 0", "R2S-TASK-024", "ZeroDivisionError"),
        ("    def error(self, moment)", "    def wrong(self, moment)", "R2S-TASK-025", "lacks error"),
        ('like = "reach"', 'like = "juggle"', "R2S-TASK-026", "one of 'reach'"),
        ('"episode_s": 5.0', '"episode_m": 5.0', "R2S-TASK-026", "episode_s"),
        ('"tolerance_m": 0.03', '"tolerance_m": float("nan")', "R2S-TASK-026", "tolerance_m"),
        ('"progress": 3.0', '"progress": "3"', "R2S-TASK-026", "progress"),
        ("class Wipe(Bound):", "class Wipe:", "R2S-TASK-025", "lacks episode_steps"),
        (
            "@dataclass(frozen=True)\nclass Wipe(Bound):", "class Wipe:\n    episode_steps = 9",
            "R2S-TASK-025", "no dataclass",
        ),
    ],
)  # fmt: skip
def test_a_class_that_is_no_task_is_told_with_what_it_lacks(old, new, code, words):
    error = told(lambda: spec_of(changed((old, new))))
    assert error.code == code and words in str(error)


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('    "progress": progress,\n', "", "R2S-TASK-027", "weight progress has no term"),
        ('"progress": 3.0, ', "", "R2S-TASK-027", "term progress has no weight"),
        ('state["touched"] / POINTS', 'state["line"]', "R2S-TASK-028", "float32[5, 3]"),
        ("touched == POINTS)", "1.0)", "R2S-TASK-028", "one truth value"),
        ('{**moment.state, "touched": touched}', '{"touched": touched}', "R2S-TASK-028", "memory"),
        ('{"goal_pos": state', '{"goal": state', "R2S-TASK-028", "goal_pos float32[3]"),
        ("Draws(reset=1", "Draws(reset=1.5", "R2S-TASK-028", "draws"),
        ("return self.near_home(uniform, home)", "return home.joints", "R2S-TASK-028", "Start of 3 joints"),
        ('signals["joint_pos"])', 'signals["elbow"])', "R2S-TASK-024", "KeyError: 'elbow'"),
        ("there = self.error(moment) <", "there = 1 if 0 <", "R2S-TASK-024", "jnp.where"),
        ("goals = np.asarray(scene.goals)", "goals = 10 * np.eye(3)[:2]", "MY-WIPE-001", "in reach"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_told_when_it_is_bound(old, new, code, words):
    task = changed((old, new))
    if "1 if 0" in new:
        task = changed((old, new), ('self.number("tolerance_m")\n', "self.error(moment) else 0\n"))
    error = told(lambda: bind(scene_with(task)))
    assert error.code == code and words in str(error)
    if code == "R2S-TASK-024":
        line = int(error.where.split()[1].rstrip(":"))
        assert task.text.splitlines()[line - 1].strip() in error.where


def test_bound_it_plays_as_its_file_says():
    task = bind(scene_with(changed(), tolerance_m=0.02))
    state = task.reset(jnp.array([0.4]))
    line = np.asarray(state["line"])
    assert np.allclose(np.linalg.norm(np.diff(line, axis=0), axis=1), 0.03, atol=1e-5)
    assert np.allclose(line[:, 2], line[0, 2])  # level
    put = replace(task, tip=lambda joints: joints)  # a tip that is wherever one says
    advance, successes, goals = jax.jit(put.advance), [], []
    for point in [line[1], *line]:  # points count in order: the second, first, counts nothing
        goals.append(np.asarray(put.commands(state)["goal_pos"]))
        signals = {"joint_pos": jnp.asarray(point), "joint_vel": jnp.zeros(3)}
        moment = Moment(signals, jnp.zeros(3), jnp.zeros(3), state)
        state, judgement = advance(moment, jnp.zeros(0))
        successes.append(bool(judgement.success))
    assert np.array_equal(goals, [line[0], *line])
    assert successes == [False] * 5 + [True]


def test_code_runs_only_where_somebody_said_so_and_only_as_it_was():
    scene = scene_with(changed())
    error = told(lambda: bind(replace(scene, trusted=False)), UnsafeInput)
    assert (error.code, error.exit_code) == ("R2S-TASK-029", 7) and "--trust" in error.remedy
    other = told(lambda: bind(replace(scene, code=TEXT + "\n")), IntegrityError)
    assert other.code == "R2S-TASK-030"


def test_a_scene_brings_its_code_along_and_comes_back_untrusted():
    scene = scene_with(changed())
    config, files = scene.encode()
    back = Scene.decode(config, files)
    assert files["task.py"].decode() == back.code == TEXT and "task.py" not in back.files
    assert not back.trusted and back.encode() == scene.encode()


def test_a_config_checks_a_text_without_running_it():
    ran = changed(("POINTS = 5", "POINTS = 1 / 0"))
    assert known(ran) == ran
    hidden = UserTask(name="Wipe", text="import os_path_of_mine\nclass Wipe:\n  pass\n")
    assert told(lambda: known(hidden), UsageError).code == "R2S-TASK-023"


def test_a_tasks_own_first_guess_is_used_and_its_shape_checked():
    whole = bind(scene_with(changed()))
    assert whole.guesses
    half = changed(("return self.rate.action(seen, ", "return 2 * self.rate.action(seen, "))
    assert bind(scene_with(half)).guesses
    with pytest.raises(R2SError, match="guess of task Wipe gives") as caught:
        bind(scene_with(changed(('seen["goal_pos"])\n', 'seen["goal_pos"])[:2]\n'))))
    assert caught.value.code == "R2S-TASK-028"
    without = changed(("return self.rate is not None", "return False"))
    assert not bind(scene_with(without)).guesses
