"""Hyperspectral cubes, whoever delivers them, and pairs with one in them."""
