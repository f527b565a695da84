"""Command line of pansharpkit."""
