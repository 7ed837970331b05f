"""Exact bounds on a success rate, and what they allow to say."""

from __future__ import annotations

from collections.abc import Iterable

from r2s.artifacts.validation import Verdict

CONFIDENCE = 0.95  # one-sided, each bound on its own


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
    """Return the one-sided 95 % lower and upper bounds on the success rate (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials")
    alpha = 1.0 - CONFIDENCE
    lower = 0.0 if successes == 0 else float(beta.ppf(alpha, successes, trials - successes + 1))
    upper = (
        1.0
        if successes == trials
        else float(beta.ppf(CONFIDENCE, successes + 1, trials - successes))
    )
    return lower, upper


def judge(lower: float, upper: float, threshold: float) -> Verdict:
    """Return pass when the rate is surely at least `threshold`, fail when surely not, else marginal."""
    if lower >= threshold:
        return "pass"
    return "fail" if upper < threshold else "marginal"


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict."""
    found = set(verdicts)
    if "fail" in found:
        return "fail"
    return "marginal" if "marginal" in found else "pass"
