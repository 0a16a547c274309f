"""Workers of other Python queues, to be measured beside this one."""
