"""What the README promises is what continuous integration runs."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_ci_runs_the_readmes_test_command_word_for_word():
    command = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert "pytest" in command
    assert command in (ROOT / "README.md").read_text().splitlines()


def test_no_file_names_this_machine_or_a_registry():
    forbidden = ["/work/" + "main", "pypi." + "org", "/root/" + ".pyenv", "files.python" + "hosted"]
    kinds = {".py", ".md", ".toml", ".yaml", ".txt", ".xml", ".urdf", ".sh"}
    skip = {".venv", ".git", ".nox", ".r2s", "build"}
    for path in ROOT.rglob("*"):
        if path.suffix in kinds and not skip & set(path.relative_to(ROOT).parts):
            text = path.read_text(errors="replace")
            assert not [word for word in forbidden if word in text], path
