"""A fleet that stays current: newer templates merged into services, and what a person changed there kept.

Why this is not Copier's own update in a git worktree for each service: that works too, but its faults come from its
way of merging (a patch is applied in a repository, what it rejects is merged again, conflicts go into the index), it
takes about 160 git processes a service, and all that is wanted of it is the result. Copier renders both versions here
as it renders new services, and the difference is merged in memory, with `git merge-file` where both sides changed a
file. So there is no worktree, index or patch that could be hurt, renderings share what is compiled, a change follows a
file that the template renames, and the result equals Copier's, which a test compares.

    releases    the versions of a template           planning   one service: both renderings, merged
    merging     trees, three ways                    fleet      many services, in parallel, each applied whole
    unfinished  conflict markers, and the way back   drift      what differs from the template
    migrations  what a merge cannot do               adoption   services that were written by hand
"""
