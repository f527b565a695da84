"""pansharpkit."""
