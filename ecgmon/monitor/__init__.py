"""The daemon: pipeline, alert policy, state, metrics, service."""
