"""Images of one resolution: blends of several, and noisy ones beside a clean guide."""
