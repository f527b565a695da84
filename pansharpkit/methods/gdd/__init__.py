"""The Guided Deep Decoder, for PAN and for guides of several bands."""
