"""How stages are keyed, planned and run. The only package that knows both stages and store.

Reading order: `stage` (what a stage is), `catalog` (which there are), `key` (what decides whether a
result can be reused), `step` (one stage with its config, inputs and ref), `graph` (the steps behind
each command), `plan` (HIT or RUN because ...), `execute` (one run, crash-only), `why` (what changed, in
words). Beside them: `recipe` (YAML), `metrics` (the numbers of `--json`), `names` (refs), `lineage`,
`compare`, `advice` (the next sensible command), `repair`.

Nothing here prints, and no stage module is imported before it is needed.
"""
