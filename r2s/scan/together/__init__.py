"""Several overlapping clouds, with or without poses, put together as one `Capture`.

Reading order: `view` (a cloud as registration sees it), `features` and `match` (poses from shapes alone),
`refine` (iterative closest point), `agreement` (how well two clouds fit, which can fail), `network` (all
clouds in one frame), `capture` (one `Capture` of them). Nothing here draws random numbers, and sums that
decide are taken in a fixed order, so that equal clouds give equal poses.
"""
