"""Matching to reference annotations, statistics, reports."""
