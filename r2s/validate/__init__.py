"""The gate: scenarios, the exact simulation of the exported policy, statistics."""
