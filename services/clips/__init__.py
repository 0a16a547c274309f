"""Clips that providers make: Seedance, Wavespeed and Google, asked until they are ready."""
