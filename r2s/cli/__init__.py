"""The typer commands: the only code that prints. Imports are lazy."""
