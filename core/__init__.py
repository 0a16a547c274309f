"""Words every room knows: errors, job context, results, ids, paths and prompts. No I/O."""
