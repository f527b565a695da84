"""Cubes and images in MATLAB files."""
