"""Traces to an OpenTelemetry collector; its SDK is imported only where they are wanted."""
