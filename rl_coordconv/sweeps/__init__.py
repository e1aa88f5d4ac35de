"""Many runs from one description: what to train, where each run lies, and who trains it."""
