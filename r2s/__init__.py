"""r2s: from a scan of a real place to a trained, validated skill on a robot, and back.

Reading order: `core` (errors, digests, seeds) -> `artifacts` (what the stages exchange) -> one stage
package at a time (`scan`, `reconstruct`, `robot`, `scene`, `train`, `validate`, `export`) -> `engine`
(how stages are keyed, planned and run) -> `store` (where results live) -> `cli`.
Imports point down only; `tests/test_architecture.py` draws the arrows.
"""

__version__ = "0.1.0"
