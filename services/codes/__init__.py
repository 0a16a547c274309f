"""Tables of what vendors answer, and what each answer means here."""
