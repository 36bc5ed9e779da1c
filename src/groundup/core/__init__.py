"""The floor that every stage stands on: configuration, artefacts, errors, progress, seeds.

Nothing here imports PyTorch or knows a stage.
"""
