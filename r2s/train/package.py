"""From trained weights to a `Policy`: safetensors, the ONNX graph, and proof that the two agree."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.arrays import pack
from r2s.artifacts.policy import Policy, PolicyInfo, TrainingSummary
from r2s.policy import networks
from r2s.policy.graph import OPSET, build_graph
from r2s.policy.metadata import deployment_metadata
from r2s.policy.parity import check_parity
from r2s.policy.reference import reference_action
from r2s.sim.environment import Environment
from r2s.train.config import Config
from r2s.train.loop import Trained


def packaged(
    environment: Environment, config: Config, engine: Literal["cpu", "mjx"], trained: Trained
) -> Policy:
    """Return the policy artifact.

    Raises:
        R2SError: the graph does not compute the trained network (`R2S-POLICY-003`).
    """
    info, actions = environment.info, environment.info.actions
    observations = tuple(info.signal(name) for name in info.observations)
    joints = {joint.name: joint for joint in info.robot.joints}
    moved = [joints[name] for name in actions.joints]
    gains = {joint.name: (joint.kp, joint.kd) for joint in moved}
    limits = {j.name: (j.low, j.high, j.velocity, j.effort) for j in moved}
    home = {joint.name: joint.home for joint in moved}
    weights = networks.exported(trained.learner.policy, environment.observation_width)
    onnx = build_graph(
        observations=observations,
        actions=actions,
        network=environment.network,
        observation_clip=environment.observation_clip,
        weights=weights,
        metadata=deployment_metadata(
            robot=info.robot.name,
            task=environment.task.spec.model_dump(mode="json"),
            actions=actions,
            chain=info.chain,
            control_s=info.control_s,
            gains=gains,
            limits=limits,
            home=home,
        ),
    )
    return Policy(
        info=PolicyInfo(
            robot=info.robot.name,
            task=environment.task.spec,
            observations=observations,
            critic=tuple(info.signal(name) for name in info.critic),
            actions=actions,
            chain=info.chain,
            control_s=info.control_s,
            gains=gains,
            limits=limits,
            home=home,
            network=environment.network,
            observation_clip=environment.observation_clip,
            randomization=info.randomization,
            training=summary(config, engine, trained),
            parity=check_parity(
                onnx,
                reference(environment, trained),
                lambda rows: reference_action(
                    weights, environment.network, environment.observation_clip, rows
                ),
            ),
            onnx_opset=OPSET,
        ),
        weights=pack(weights),
        onnx=onnx,
        log=trained.log,
    )


def reference(environment: Environment, trained: Trained):
    """Return the deterministic actor as it trained: observations (n, d) -> actions (n, a)."""
    policy = trained.learner.policy

    @jax.jit
    def act(observation: jax.Array) -> jax.Array:
        return networks.action_mean(
            policy, environment.network, observation, environment.observation_clip
        )

    return lambda rows: np.asarray(act(jnp.asarray(rows)))


def summary(config: Config, engine: Literal["cpu", "mjx"], trained: Trained) -> TrainingSummary:
    """Return the numbers of the training that belong to the policy; no times."""
    progressed = trained.progressed
    evaluation = progressed.evaluation or {}
    return TrainingSummary(
        engine=engine,
        iterations=progressed.iteration,
        env_steps=progressed.env_steps,
        copies=config.copies,
        success_rate=evaluation.get("success_rate", 0.0),
        return_mean=evaluation.get("return_mean", 0.0),
        crashes=progressed.crashes,
        episodes=progressed.episodes,
    )
