"""What stands in a job's hash is not believed: fields, JSON and text from outside."""
