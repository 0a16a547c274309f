"""Clips that providers generate: Seedance, Wavespeed and Google, polled until they are ready."""
