"""Maxar's deliveries: QuickBird, GeoEye, WorldView."""
