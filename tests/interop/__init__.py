"""The same scenario with Node's Worker and with ours, and what Redis shows of it compared.

    python -m tests.interop [--version 6.7.0] [--only 'flow-*'] [--rounds N] [--seed S]

1. A scenario is a list of steps (`steps`): the table's are in `scenarios/`, the random ones are
   made by `programs`.
2. `stage` plays it once on each side. The producer is BullMQ's own in both, in `driver.mjs`; the
   worker is Node's there, or ours (`ours`). Jobs' data say what the processor does.
3. `snapshot` reads all keys of the queues after each time that the worker rested.
4. `compare` lists where the two differ, and `differences.toml` which of that is known, and why.
"""
