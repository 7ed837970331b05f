"""Laws of rigid transforms, with scipy as the oracle."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from r2s.core.rigid import (
    apply,
    inverse,
    matrix_to_quat,
    quat_to_matrix,
    rotation_between,
    rpy_to_matrix,
    transform,
)

RNG = np.random.default_rng(0)
ROTATIONS = Rotation.random(50, rng=1)


def test_quaternions_agree_with_scipy():
    wxyz = ROTATIONS.as_quat(scalar_first=True)
    np.testing.assert_allclose(quat_to_matrix(wxyz), ROTATIONS.as_matrix(), atol=1e-12)


@pytest.mark.parametrize("matrix", [*ROTATIONS.as_matrix()[:20], np.diag([1.0, -1, -1])])
def test_matrix_to_quaternion_round_trip(matrix):
    np.testing.assert_allclose(quat_to_matrix(matrix_to_quat(matrix)), matrix, atol=1e-12)


def test_rpy_agrees_with_scipys_fixed_axes():
    for rpy in RNG.uniform(-3, 3, (20, 3)):
        np.testing.assert_allclose(
            rpy_to_matrix(rpy), Rotation.from_euler("xyz", rpy).as_matrix(), atol=1e-12
        )


def test_rotation_between_maps_one_vector_to_the_other_also_when_opposite():
    pairs = [*RNG.normal(size=(20, 2, 3)), np.array([[0, 0, 1.0], [0, 0, -1.0]])]
    for a, b in pairs:
        rotation = rotation_between(a, b)
        np.testing.assert_allclose(
            rotation @ (a / np.linalg.norm(a)), b / np.linalg.norm(b), atol=1e-9
        )
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_inverse_undoes_apply():
    T = transform(ROTATIONS[0].as_matrix(), RNG.normal(size=3))
    points = RNG.normal(size=(100, 3))
    np.testing.assert_allclose(apply(inverse(T), apply(T, points)), points, atol=1e-12)
