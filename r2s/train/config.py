"""Every number of a training, with what it means. Importing this loads no JAX."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from r2s.artifacts.base import Frozen


class Ppo(Frozen):
    """Numbers of the update."""

    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate at the start")
    adaptive_rate: bool = Field(
        default=True, description="Let the learning rate follow the KL divergence"
    )
    target_kl: float = Field(
        default=0.02, gt=0, description="KL divergence per update the rate aims at"
    )
    discount: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Worth of the next step's reward; 0: chosen for the task",
    )
    smoothing: float = Field(
        default=0.95, ge=0, le=1, description="Lambda of the advantage estimate"
    )
    clip: float = Field(
        default=0.2, gt=0, description="Largest change of an action's probability ratio"
    )
    entropy: float = Field(
        default=-1.0, description="Reward for keeping to explore; below 0: chosen for the task"
    )
    value_weight: float = Field(default=1.0, gt=0, description="Weight of the critic's loss")
    gradient_norm: float = Field(default=1.0, gt=0, description="Largest norm of a gradient")
    epochs: int = Field(default=5, ge=1, description="Passes over each iteration's samples")
    minibatches: int = Field(default=4, ge=1, description="Parts each pass is split into")


class Config(Frozen):
    """How to train."""

    engine: Literal["auto", "cpu", "mjx"] = Field(
        default="auto",
        description="Physics engine; auto takes mjx where JAX has an accelerator, else cpu",
    )
    copies: int = Field(
        default=0,
        ge=0,
        description="Randomized copies of the scene at once; 0: chosen for task and engine",
    )
    horizon: int = Field(default=32, ge=2, description="Control steps of each copy per iteration")
    iterations: int = Field(default=400, ge=1, description="Budget: iterations at most")
    target_success: float = Field(
        default=0.98,
        gt=0,
        le=1.01,
        description="Stop once evaluated success reaches this; above 1 never",
    )
    # A policy that has just learnt to arrive still trembles there, and a finer simulation sees it.
    target_times: int = Field(
        default=3, ge=1, description="Evaluations in a row that must reach the target"
    )
    # A few goals of a scanned place may be out of reach under the worst randomization.
    patience: int = Field(
        default=6,
        ge=1,
        description="Stop within 0.03 of the target after so many evaluations that were no better",
    )
    evaluate_every: int = Field(default=20, ge=1, description="Iterations between evaluations")
    evaluation_episodes: int = Field(
        default=0,
        ge=0,
        description="Episodes of an evaluation, always the same; 0: chosen",
    )
    checkpoint_every: int = Field(default=20, ge=1, description="Iterations between checkpoints")
    start_anywhere: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of episodes that start in a random reachable configuration",
    )
    crash_budget: float = Field(
        default=0.01, ge=0, le=1, description="Share of episodes in which the simulator may fail"
    )
    imitated_iterations: int = Field(
        default=15,
        ge=0,
        description="Iterations, at most half, that imitate the task's first guess, where it has one",
    )
    actor: tuple[int, ...] = Field(
        default=(128, 128), description="Hidden layer widths of the policy"
    )
    critic: tuple[int, ...] = Field(
        default=(128, 128), description="Hidden layer widths of the critic"
    )
    activation: Literal["elu", "silu", "tanh", "relu"] = Field(
        default="elu", description="Activation"
    )
    initial_std: float = Field(
        default=0.0,
        ge=0,
        description="Exploration noise at the start, of action's 1; 0: chosen for the task",
    )
    observation_clip: float = Field(
        default=5.0, gt=0, description="Normalized observations are clipped to +- this"
    )
    ppo: Ppo = Ppo()


# An evaluation on the CPU: a rate of 0.95 is known to +-0.03 from the most episodes and to +-0.05 from the
# fewest. Between the two it costs a quarter of the training steps in between, at the task's usual length.
MOST_EVALUATION_EPISODES, LEAST_EVALUATION_EPISODES, EVALUATION_SHARE = 256, 64, 0.25


def resolved(config: Config, engine: str, task: str) -> Config:
    """Return the config with the numbers chosen that the user left open, for this machine's device."""
    import jax

    from r2s.tasks.specs import task_kind

    kind = task_kind(task)
    alone = engine == "cpu" or jax.default_backend() == "cpu"
    copies = config.copies or kind.copies["cpu" if alone else "accelerator"]
    enough = copies  # a second program would have to be compiled for mjx
    if engine == "cpu":
        between = copies * config.horizon * config.evaluate_every
        steps = kind.spec.parameters["episode_s"] * kind.control_hz
        share = round(EVALUATION_SHARE * between / steps)
        enough = min(copies, MOST_EVALUATION_EPISODES, max(LEAST_EVALUATION_EPISODES, share))
    episodes = config.evaluation_episodes or enough
    ppo = config.ppo.model_copy(
        update={
            "discount": config.ppo.discount or kind.discount,
            "entropy": config.ppo.entropy if config.ppo.entropy >= 0 else kind.entropy,
        }
    )
    return config.model_copy(
        update={
            "copies": copies,
            "evaluation_episodes": episodes,
            "initial_std": config.initial_std or kind.initial_std,
            "ppo": ppo,
        }
    )
