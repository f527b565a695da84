"""ENVI images: a header and bare numbers."""
