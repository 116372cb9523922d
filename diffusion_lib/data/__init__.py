"""Samples in stated ranges: drawn animals, point sets in the plane, and pictures from files."""
