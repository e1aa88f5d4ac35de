"""Not-so-Clevr: one white square on a black canvas, and the tasks between it and its centre."""
