"""What is logged of episodes, buckets and crashes."""

import numpy as np

from r2s.artifacts.randomization import Randomize
from r2s.sim.protocol import Trajectories
from r2s.train import metrics

BLANK = dict.fromkeys(Trajectories._fields)


def entry(**how):
    known = {"name": "m", "target": "geom", "field": "friction", "operation": "scale"}
    return Randomize(**{**known, "low": 1.0, "high": 16.0, **how})


def seen(ended, **fields):
    ended = np.array(ended, bool)
    zero = np.zeros(ended.shape, bool)
    known = {
        "ended": ended, "counted": ended, "crashed": zero, "success": zero, "terminated": zero,
        "episode_return": ended.astype(float), "sample": np.zeros((*ended.shape, 1)),
    }  # fmt: skip
    return Trajectories(**{**BLANK, **known, **fields})


def test_an_evaluation_counts_the_first_episode_of_each_copy_only():
    ended = [[0, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    crashed = np.zeros((3, 4), bool)
    crashed[1, 2] = True
    success = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1]], bool)
    counted = np.array(ended, bool) & ~crashed
    result = metrics.first_episodes(seen(ended, crashed=crashed, counted=counted, success=success))
    # Copy 0 succeeds first, copy 1 fails first, copy 2 crashes first, copy 3 succeeds.
    assert result["episodes"] == 3 and result["successes"] == 2 and result["crashes"] == 1


def test_buckets_are_equally_likely():
    u = (np.arange(1000) + 0.5) / 1000
    for distribution, value in (("uniform", 1 + 15 * u), ("loguniform", 16**u)):
        counts = np.bincount(metrics.buckets(entry(distribution=distribution), value))
        assert counts.tolist() == [250] * 4


def test_bucket_returns_are_means_of_their_own_episodes():
    sample = np.array([[[2.0], [6.0], [15.0], [15.5]]])
    returns = np.array([[1.0, 2.0, 3.0, 5.0]])
    data = seen([[1, 1, 1, 1]], sample=sample, episode_return=returns)
    assert metrics.bucket_returns(data, ((entry(), 1),)) == {"m": [1.0, 2.0, None, 4.0]}


def test_nan_is_written_as_null():
    assert metrics.rounded(float("nan")) is None and metrics.rounded(1 / 3) == 0.333333
