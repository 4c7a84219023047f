"""Two builds of one code side by side, each in child processes of its own.

`build` says what a build is, `trees` and `environments` make one (a git worktree, a virtual
environment), `process` runs it, `child` is what runs there, and `pairing` measures both in turn.
"""
