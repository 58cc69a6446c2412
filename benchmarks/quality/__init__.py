"""Recipes against each other on pairs of pictures: figures that need no download, and a sheet to look at."""
