"""What a stage is, when it must run, and running it: the only package that knows both stages and store."""
