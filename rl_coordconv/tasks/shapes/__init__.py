"""Two coloured objects on a white canvas: Sort-of-Clevr."""
