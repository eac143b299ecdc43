"""Figures, tables, report.html and W&B: they show numbers and compute none."""
