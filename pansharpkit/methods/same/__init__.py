"""Methods for images of one resolution: blending, and denoising beside a guide."""
