# What bullmq_consumer uses of the library, which ships no types.

from bullmq.job import Job as Job
from bullmq.queue import Queue as Queue
