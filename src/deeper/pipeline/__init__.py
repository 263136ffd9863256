"""Stages run shard by shard in a run folder; engines are built from settings here."""
