"""What a batch leaves for others to read: STAC items, a collection and a catalogue."""
