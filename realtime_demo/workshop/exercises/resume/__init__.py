"""The exercise resume."""
