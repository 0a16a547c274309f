"""What single settings must look like; each raises a ValueError that quotes no secret."""
