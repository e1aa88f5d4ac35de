"""Agents on the Hugging Face Hub: a folder that loads without trusting anybody, and its card."""
