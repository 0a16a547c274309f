"""`python -m bullmq_consumer app:worker`: process/command_line.py, without garbage meanwhile."""

import gc
import sys

if __name__ == "__main__":
    # Nearly all objects loaded at start stay alive: looking through them again and again takes a
    # tenth of the start. The command line collects garbage again before a worker runs.
    gc.disable()
    from bullmq_consumer.process.command_line import main

    sys.exit(main())
