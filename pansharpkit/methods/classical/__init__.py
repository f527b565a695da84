"""Component substitution, multiresolution analysis, and variational methods."""
