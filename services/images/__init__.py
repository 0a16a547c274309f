"""Pictures that are bought: Seedream and Gemini behind one interface."""
