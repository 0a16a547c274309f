"""Where alerts go: Slack, Discord, Sentry."""
