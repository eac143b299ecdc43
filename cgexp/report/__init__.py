"""Figures, tables, report.html and trackers: they show numbers and compute none."""
