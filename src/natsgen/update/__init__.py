"""Updates: merges newer templates into services, and keeps the owners' changes.

Copier's own update, in a git worktree for each service, would work too. But it applies a patch in a repository, merges
rejected hunks again and writes conflicts to the index, which causes its faults, and it starts about 160 git processes
per service. Here, Copier renders both versions in the same way as new services, and the difference is merged in memory,
with `git merge-file` where both sides changed a file. No worktree, index or patch can be damaged, renderings share
compiled sources, and changes follow a file that the template renames. A test checks that the result equals Copier's.

    releases    the versions of a template           planning   one service: renders and merges both versions
    unfinished  conflict markers, and how to undo    fleet      many services: plans in parallel, applies each
    migrations  changes that a merge cannot make     drift      differences from the template
    adoption    existing workers
"""
