"""Methods for a cube and its guide: injection, closed forms, unmixing, small networks."""
