"""The chain to the end effector, taken from the compiled model so that both agree."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Quat, Vec3
from r2s.artifacts.kinematics import Chain, Link


def chain_to_site(model, base: str, site: str) -> Chain:
    """Return the chain from body `base` to `site` of a compiled `MjModel`."""
    import mujoco

    names = []
    body = int(model.site_bodyid[model.site(site).id])
    root = model.body(base).id
    while body != root:
        names.append(body)
        body = int(model.body_parentid[body])
    links: list[Link] = []
    for index in reversed(names):
        position, quaternion = _vec(model.body_pos[index]), _quat(model.body_quat[index])
        first, count = int(model.body_jntadr[index]), int(model.body_jntnum[index])
        if not count:
            links.append(Link(position=position, quaternion=quaternion))
        for joint in range(first, first + count):
            slide = model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE
            links.append(
                Link(
                    position=position if joint == first else (0.0, 0.0, 0.0),
                    quaternion=quaternion if joint == first else (1.0, 0.0, 0.0, 0.0),
                    joint=model.joint(joint).name,
                    kind="slide" if slide else "hinge",
                    axis=_vec(model.jnt_axis[joint]),
                    anchor=_vec(model.jnt_pos[joint]),
                    reference=float(model.qpos0[model.jnt_qposadr[joint]]),
                )
            )
    number = model.site(site).id
    links.append(
        Link(position=_vec(model.site_pos[number]), quaternion=_quat(model.site_quat[number]))
    )
    return Chain(base=base, tip=site, links=tuple(links))


def reach_m(model, qpos: np.ndarray, site: str) -> float:
    """Return the largest distance [m] from the root to `site` over (n, nq) configurations."""
    import mujoco

    data = mujoco.MjData(model)
    number, best = model.site(site).id, 0.0
    for configuration in qpos:
        data.qpos[:] = configuration
        mujoco.mj_kinematics(model, data)
        best = max(best, float(np.linalg.norm(data.site_xpos[number])))
    return best


def _vec(values) -> Vec3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def _quat(values) -> Quat:
    w, x, y, z = (float(value) for value in values)
    return (w, x, y, z)
