"""Pictures that are bought, whatever the provider, by one interface."""
