"""Airbus' deliveries in DIMAP version 2: Pléiades, Pléiades Neo, SPOT 6 and 7."""
