"""Tasks on handwritten digits: what they are, and where they lie scattered."""
