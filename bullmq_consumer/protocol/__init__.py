"""BullMQ's own Lua scripts, as the installed `bullmq` package brings them, and what they return.

Nothing else in this package knows them: which keys they take, in which order, and how a job's hash
is read.
"""
