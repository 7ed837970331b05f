"""The command line: the only code that prints. One file per command; nothing heavy is imported early.

Reading order: `app` (the list of commands, the one place where errors end), `command` (a plain function
becomes a command), `flags` (config fields become options), `session` (what a command works with),
`output` (text and `--json`), `progress`. Every other module is one command, its function named like it.
"""


def main() -> None:
    """Run the command line and exit with its code."""
    import atexit
    import io
    import os
    import sys

    # A name that the terminal cannot show is no reason to die.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from r2s.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before a command had begun
        code = 130
    if code > 128:  # threads of native libraries may still be at work in an interrupted stage
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
