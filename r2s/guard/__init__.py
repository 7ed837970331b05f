"""Files from strangers: what they may cost, what they are, and where they are parsed.

Reading order: `limits` (every number in one table), `sniff` (what a file is, by its bytes, never by its
name), `preflight` (checks before a parser sees it), `child` (runs a native parser in a process of its
own, with limits; `worker` is the other end, `wire` the language between them, `drill` proves the limits).
Nothing here knows points, meshes or robots.
"""
