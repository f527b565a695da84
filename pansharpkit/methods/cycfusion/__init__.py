"""CycFusion, as published and in the spectral subspace of a scene."""
