"""Landsat Level-1 products."""
