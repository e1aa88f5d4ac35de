"""What every subpackage needs: errors, whole files, checked data."""
