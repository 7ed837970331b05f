"""The stage `train`: a scene becomes a policy. Importing this loads no JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from r2s.artifacts.base import Artifact
from r2s.artifacts.policy import NetworkSpec, Policy
from r2s.artifacts.scene import Scene
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.train.config import Config, resolved

if TYPE_CHECKING:
    from r2s.sim.environment import Environment
    from r2s.sim.protocol import Collector
    from r2s.train.loop import Trained

STAGE_VERSION = 5
DETERMINISM: Literal["bitwise", "tolerance", "statistical"] = "bitwise"
TOOLS: tuple[str, ...] = ("mujoco", "mujoco-mjx", "jax", "jaxlib", "optax", "onnx", "onnxruntime")

__all__ = ["DETERMINISM", "STAGE_VERSION", "TOOLS", "Config", "run"]


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Policy:
    """Train a policy on a scene.

    Args:
        inputs: `scene`.
        config: see `Config`.
        context: `checkpoint` keeps the whole state; `facts` gets the measured rates.

    Raises:
        Interrupted, R2SError: see `r2s.train.loop.train`.
    """
    import jax

    from r2s.train.loop import train
    from r2s.train.package import packaged

    scene = inputs["scene"]
    if not isinstance(scene, Scene):
        raise R2SError(
            "R2S-TRAIN-001",
            f"train needs a scene, got {type(scene).__name__}",
            where="input scene",
            why="a policy is trained in a twin",
            remedy="r2s build-scene",
        )
    engine = chosen_engine(config.engine)
    config = resolved(config, engine, scene.info.task.kind)
    # TF32 would make an accelerator's policy differ from the one that is exported.
    with jax.default_matmul_precision("highest"):
        environment = environment_of(scene, config)
        trained = train(
            environment, lambda n: make_collector(engine, environment, n), config, context
        )
        context.facts.update(measured(environment, engine, config, trained))
        return packaged(environment, config, engine, trained)


def environment_of(scene: Scene, config: Config) -> Environment:
    """Return a scene compiled for training with the networks of `config`."""
    from r2s.sim.environment import Environment
    from r2s.sim.model import load_model

    network = NetworkSpec(actor=config.actor, critic=config.critic, activation=config.activation)
    return Environment.build(
        scene, load_model(scene), network, config.observation_clip, config.start_anywhere
    )


def chosen_engine(engine: str) -> Literal["cpu", "mjx"]:
    """Return the engine to use: `auto` is mjx where JAX has an accelerator, else cpu."""
    import jax

    if engine == "auto":
        return "cpu" if jax.default_backend() == "cpu" else "mjx"
    return "mjx" if engine == "mjx" else "cpu"


def make_collector(engine: str, environment: Environment, copies: int) -> Collector:
    """Return the collector of an engine for so many copies."""
    if engine == "mjx":
        from r2s.sim.mjx import MjxCollector

        return MjxCollector(environment, copies)
    from r2s.sim.cpu import CpuCollector

    return CpuCollector(environment, copies)


def measured(
    environment: Environment, engine: str, config: Config, trained: Trained
) -> dict[str, Any]:
    """Return what `--json` and the run record say of this run: rates, shares of time, outcome."""
    seconds, progressed = trained.seconds, trained.progressed
    evaluation = progressed.evaluation or {}
    total = max(seconds["total"], 1e-9)
    useful = seconds["physics"] + seconds["evaluation_physics"] + seconds["update"]
    return {
        "engine": engine,
        "env_steps": progressed.env_steps,
        "env_steps_per_s": trained.env_steps / total,
        "physics_steps_per_s": trained.physics_steps / max(seconds["physics"], 1e-9),
        "seconds": seconds,
        "overhead_fraction": max(0.0, 1.0 - useful / total),
        "success_rate": evaluation.get("success_rate", 0.0),
        "return_mean": evaluation.get("return_mean", 0.0),
        "crashes": progressed.crashes,
        "copies": config.copies,
    }
