# The names of MuJoCo come from compiled modules that ship no stubs.
from typing import Any

def __getattr__(name: str) -> Any: ...
