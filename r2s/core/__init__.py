"""What every package may know: errors, digests, seeds, rigid transforms, the stage context.

Reading order: `errors`, `canonical`, `seeds`, `rigid`, `rectangle`, `coupled`, `heightfield`, `atlas`,
`context`, `native`. Nothing here knows robotics, files in the workspace, or the command line.
"""
