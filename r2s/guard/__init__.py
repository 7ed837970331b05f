"""Limits and preflight for files from strangers, and the child process native readers run in."""
