"""A small network that learns from the scene itself what a classical image lacks."""
